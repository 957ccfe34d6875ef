import { once } from 'node:events';
import { existsSync } from 'node:fs';
import net, { type AddressInfo } from 'node:net';
import { expect, test } from 'vitest';
import { systemClock } from '../../../src/core/clock.ts';
import { TcpQueues } from '../../../src/drains/syslog/tcp-queues.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';

const head =
  '  sl  local_address rem_address   st tx_queue rx_queue tr tm->when retrnsmt   uid  timeout inode\n';
const table4 = `${head}   0: 0100007F:C0AE 0200007F:19A2 01 003B1C58:00000000 04:0000000F 00000000     0        0 1 1\n`;
const table6 = `${head}  10: 00000000000000000000000001000000:C0AE B80D0120000000000000000001000000:19A2 01 00000007:00000000 00:00000000 00000000     0        0 1 1\n`;

const endpoints4 = {
  localAddress: '127.0.0.1',
  localPort: 0xc0ae,
  remoteAddress: '127.0.0.2',
  remotePort: 6562,
};
const endpoints6 = {
  localAddress: '::1',
  localPort: 0xc0ae,
  remoteAddress: '2001:db8::1',
  remotePort: 6562,
};

test('finds the row of a connection in both tables', async () => {
  const readTable = (path: string): Promise<string> =>
    Promise.resolve(path.endsWith('6') ? table6 : table4);
  const queues = new TcpQueues({ readingGapMs: 500 }, { clock: new FakeClock(), readTable });
  const [four, six, none] = await Promise.all([
    queues.unacknowledged(endpoints4),
    queues.unacknowledged(endpoints6),
    queues.unacknowledged({ ...endpoints4, localPort: 1 }),
  ]);
  expect({ four, six, none }).toEqual({ four: 0x3b1c58, six: 7, none: undefined });
});

test('knows nothing where there are no tables', async () => {
  const readTable = (): Promise<string> => Promise.reject(new Error('ENOENT'));
  const queues = new TcpQueues({ readingGapMs: 500 }, { clock: new FakeClock(), readTable });
  expect(await queues.unacknowledged(endpoints4)).toBeUndefined();
});

test('a reading begins after it was asked for, is shared, and not too frequent', async () => {
  const clock = new FakeClock();
  let readings = 0;
  const readTable = (path: string): Promise<string> => {
    if (path.endsWith('6')) return Promise.resolve('');
    readings++;
    return Promise.resolve(table4);
  };
  const queues = new TcpQueues({ readingGapMs: 500 }, { clock, readTable });
  await Promise.all([queues.unacknowledged(endpoints4), queues.unacknowledged(endpoints4)]);
  expect(readings).toBe(1);
  const later = Promise.all([queues.unacknowledged(endpoints4), queues.unacknowledged(endpoints4)]);
  await clock.advance(499);
  expect(readings).toBe(1);
  await clock.advance(1);
  await later;
  expect(readings).toBe(2);
});

test.runIf(existsSync('/proc/net/tcp')).each(['127.0.0.1', '::1'])(
  'tells what a real receiver on %s has not acknowledged',
  async (host) => {
    const server = net.createServer({ pauseOnConnect: true }).listen(0, host);
    await once(server, 'listening');
    const socket = net.connect({ host, port: (server.address() as AddressInfo).port });
    await once(socket, 'connect');
    const queues = new TcpQueues({ readingGapMs: 0 }, { clock: systemClock });
    const { localAddress = '', localPort = 0, remoteAddress = '', remotePort = 0 } = socket;
    const endpoints = { localAddress, localPort, remoteAddress, remotePort };
    expect(await queues.unacknowledged(endpoints)).toBe(0);
    socket.on('error', () => {}).write(Buffer.alloc(64 * 1024 * 1024));
    await settle();
    expect(await queues.unacknowledged(endpoints)).toBeGreaterThan(10_000);
    expect(await queues.unacknowledged({ ...endpoints, localPort: 1 })).toBeUndefined();
    socket.destroy();
    server.close();
  },
);

import { Socket } from 'node:net';
import { expect, test } from 'vitest';
import type { Delivery } from '../../../src/drains/drain.ts';
import type { DialResult, EgressDialer } from '../../../src/drains/egress/egress-dialer.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import {
  drip,
  flood,
  HostileReceiver,
  say,
  sayAndClose,
  sayAndReset,
  silent,
  sip,
  type Behaviour,
} from '../../support/hostile-receiver.ts';
import { testEgress } from '../egress/egress-kit.ts';
import { authority, batch, httpsDrain, never } from './https-kit.ts';

const delivered: Delivery = { kind: 'delivered', rejected: 0 };
const timedOut: Delivery = { kind: 'retry', reason: 'timeout' };
const closed: Delivery = { kind: 'retry', reason: 'closed' };
const noHttp: Delivery = { kind: 'retry', reason: 'protocol' };

function plainUrl(receiver: HostileReceiver): string {
  return `http://127.0.0.1:${receiver.port}/`;
}

const hanging: [string, Behaviour, 'http' | 'https', boolean][] = [
  ['before TLS', silent, 'https', false],
  ['after TLS', silent, 'https', true],
  ['after the request', silent, 'http', false],
  ['in the middle of its headers', say('HTTP/1.1 200 OK\r\nContent-Le'), 'http', false],
  ['at a byte now and then', drip('HTTP/1.1 200 OK\r\nX-Pad: ', 5), 'http', false],
];

test.each(hanging)(
  'a receiver that hangs %s is given up within 15 s',
  async (_, behaviour, scheme, tls) => {
    await using receiver = await HostileReceiver.listen(
      behaviour,
      tls ? authority.issue() : undefined,
    );
    const clock = new FakeClock();
    await using drain = httpsDrain(`${scheme}://127.0.0.1:${receiver.port}/`, { clock });
    const delivering = drain.deliver(batch(), never);
    await receiver.until(() => receiver.heard > 0);
    await clock.advance(15_000);
    expect(await delivering).toEqual(timedOut);
    await receiver.until(() => receiver.open.size === 0);
  },
);

const answering: [string, Behaviour, Delivery][] = [
  ['closes without a word', (socket) => socket.resume().end(), closed],
  ['resets', sayAndReset(''), closed],
  ['closes within its headers', sayAndClose('HTTP/1.1 200 OK\r\nA: b'), closed],
  ['does not speak HTTP', say('SSH-2.0-OpenSSH_9.2\r\n'), noHttp],
  ['sends 100 Continue unasked', say('HTTP/1.1 100 Continue\r\n\r\n'), noHttp],
  [
    'switches protocols unasked',
    say('HTTP/1.1 101 Switching Protocols\r\nConnection: upgrade\r\nUpgrade: x\r\n\r\n'),
    noHttp,
  ],
  ['sends headers without end', flood('HTTP/1.1 200 OK\r\nX-Pad: '), noHttp],
  ['gives early hints without end', flood('', 'HTTP/1.1 103 Early Hints\r\n\r\n'), noHttp],
  ['sends empty lines without end', flood('', '\r\n'), noHttp],
  ['sends a length that is none', say('HTTP/1.1 200 OK\r\nContent-Length: -1\r\n\r\n'), noHttp],
  [
    'sends two lengths',
    say('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nContent-Length: 2\r\n\r\nxx'),
    noHttp,
  ],
  [
    'sends a length and chunks',
    say('HTTP/1.1 200 OK\r\nContent-Length: 1\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n\r\n'),
    noHttp,
  ],
  [
    'sends a chunk size that is none',
    say('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\nxyz\r\n'),
    delivered,
  ],
  [
    'sends a chunk extension without end',
    flood('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n1;x=', 'x'),
    delivered,
  ],
  [
    'sends trailers without end',
    flood('HTTP/1.1 200 OK\r\nTransfer-Encoding: chunked\r\n\r\n0\r\n', 'X-Pad: x\r\n'),
    delivered,
  ],
  [
    'answers twice',
    say('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\nHTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n'),
    delivered,
  ],
  [
    'sends a body with a status that has none',
    say('HTTP/1.1 204 No Content\r\nContent-Length: 5\r\n\r\nhello'),
    delivered,
  ],
  [
    'gives early hints',
    sayAndClose('HTTP/1.1 103 Early Hints\r\n\r\nHTTP/1.1 204 No Content\r\n\r\n'),
    delivered,
  ],
  ['speaks HTTP/1.0', sayAndClose('HTTP/1.0 200 OK\r\n\r\nthanks'), delivered],
  [
    'promises more body than it has',
    sayAndClose('HTTP/1.1 200 OK\r\nContent-Length: 99\r\n\r\nx'),
    delivered,
  ],
  [
    'has more body than it promised',
    say('HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nxyz'),
    delivered,
  ],
  ['sends a body without end', flood('HTTP/1.1 200 OK\r\n\r\n'), delivered],
  [
    'resets after its answer',
    sayAndReset('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx'),
    delivered,
  ],
  [
    'breaks off the body of an error',
    sayAndClose('HTTP/1.1 500 Oops\r\nContent-Length: 99\r\n\r\nx'),
    { kind: 'retry', reason: 'http_5xx', status: 500 },
  ],
];

test.each(answering)('a receiver that %s', async (_, behaviour, delivery) => {
  await using receiver = await HostileReceiver.listen(behaviour);
  await using drain = httpsDrain(plainUrl(receiver));
  expect(await drain.deliver(batch(), never)).toEqual(delivery);
  // The next batch finds a working connection or makes one; nothing is left over.
  expect(await drain.deliver(batch(), never)).toEqual(delivery);
});

test('a body that does not end once the status is known is not waited for', async () => {
  await using receiver = await HostileReceiver.listen(
    say('HTTP/1.1 200 OK\r\nContent-Length: 9\r\n\r\nx'),
  );
  const clock = new FakeClock();
  await using drain = httpsDrain(plainUrl(receiver), { clock });
  let delivery: Delivery | undefined;
  void drain.deliver(batch(), never).then((result) => (delivery = result));
  await receiver.until(() => receiver.connections === 1);
  while (delivery === undefined) await clock.advance(100);
  expect(delivery).toEqual(delivered);
  expect(clock.monotonicMs()).toBeLessThan(15_000);
  await receiver.until(() => receiver.open.size === 0);
});

test('a success that comes before the batch can have arrived, on a connection that then breaks, is none', async () => {
  await using receiver = await HostileReceiver.listen((socket) => {
    socket.once('data', () => {
      socket.pause();
      socket.write('HTTP/1.1 200 OK\r\nContent-Length: 0\r\n\r\n');
    });
  });
  await using drain = httpsDrain(plainUrl(receiver));
  const large = batch('x'.repeat(32 * 1024 * 1024));
  expect(await drain.deliver(large, never)).toMatchObject({ kind: 'retry' });
});

test('an early refusal counts, and the rest of the request is not sent', async () => {
  await using receiver = await HostileReceiver.listen((socket) => {
    socket.once('data', () => {
      socket.pause();
      socket.write('HTTP/1.1 413 Too Large\r\nContent-Length: 0\r\n\r\n');
    });
  });
  await using drain = httpsDrain(plainUrl(receiver));
  const large = batch('x'.repeat(32 * 1024 * 1024));
  expect(await drain.deliver(large, never)).toEqual({ kind: 'split', status: 413 });
});

test('what comes unasked on an idle connection ends it', async () => {
  let flooding = (): void => undefined;
  await using receiver = await HostileReceiver.listen((socket) => {
    socket.once('data', () => socket.write('HTTP/1.1 204 No Content\r\n\r\n'));
    flooding = () => flood('', '\r\n', true)(socket);
  });
  await using drain = httpsDrain(plainUrl(receiver));
  expect(await drain.deliver(batch(), never)).toEqual(delivered);
  flooding();
  await receiver.until(() => receiver.open.size === 0);
  expect(await drain.deliver(batch(), never)).toEqual(delivered);
  expect(receiver.connections).toBe(2);
});

test('a receiver that reads a byte now and then is given up within 15 s', async () => {
  await using receiver = await HostileReceiver.listen(sip(5));
  const clock = new FakeClock();
  await using drain = httpsDrain(plainUrl(receiver), { clock });
  for (const connections of [1, 2]) {
    const delivering = drain.deliver(batch('x'.repeat(32 * 1024 * 1024)), never);
    await receiver.until(() => receiver.connections === connections);
    await clock.advance(15_000);
    expect(await delivering).toEqual(timedOut);
  }
});

test('a hundred failures leave no connection behind', async () => {
  await using receiver = await HostileReceiver.listen(sayAndReset('HTTP/1.1 500 Oops\r\n'));
  await using drain = httpsDrain(plainUrl(receiver));
  for (let count = 0; count < 100; count++) {
    expect((await drain.deliver(batch(), never)).kind).toBe('retry');
  }
  await receiver.until(() => receiver.open.size === 0);
  expect(receiver.connections).toBe(100);
});

test('an attempt that cannot connect right after one that was given up says why, and not how that one ended', async () => {
  await using receiver = await HostileReceiver.listen(silent);
  const { dialer } = testEgress({});
  const dials: EgressDialer['connect'][] = [
    (...dial) => dialer.connect(...dial),
    () => Promise.resolve({ ok: false, failure: { reason: 'dns' } }),
  ];
  const next: EgressDialer['connect'] = (...dial) => dials.shift()!(...dial);
  await using drain = httpsDrain(plainUrl(receiver), {
    options: { deliverMsMax: 50 },
    dialer: { connect: next },
  });
  expect(await drain.deliver(batch(), never)).toEqual(timedOut);
  expect(await drain.deliver(batch(), never)).toEqual({ kind: 'retry', reason: 'dns' });
});

test('a connection that is gone before it can be used is one failure, and not a reason to dial on and on', async () => {
  let dials = 0;
  const dialer = {
    connect: (): Promise<DialResult> => {
      dials++;
      const stream = new Socket().destroy();
      return Promise.resolve({ ok: true, dialled: { stream, tcp: stream } });
    },
  };
  await using drain = httpsDrain('http://127.0.0.1:9/', { dialer });
  expect(await drain.deliver(batch(), never)).toEqual(closed);
  expect(dials).toBe(1);
});

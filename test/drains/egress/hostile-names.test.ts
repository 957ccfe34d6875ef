import { once } from 'node:events';
import { createServer, type AddressInfo, type Server } from 'node:net';
import { expect, test } from 'vitest';
import { FakeClock } from '../../support/fake-clock.ts';
import { HostileReceiver, silent } from '../../support/hostile-receiver.ts';
import { DnsServer } from './dns-server.ts';
import { testEgress } from './egress-kit.ts';

const never = new AbortController().signal;
const blocked = { ok: false, failure: { reason: 'blocked_address' } };

/** Counts who comes to one address of loopback, on the port of somebody at another. */
class Canary implements AsyncDisposable {
  connections = 0;
  readonly #server: Server = createServer((socket) => {
    this.connections++;
    socket.on('error', () => undefined).destroy();
  });

  static async listen(host: string, port = 0): Promise<Canary> {
    const canary = new Canary();
    canary.#server.listen(port, host);
    await once(canary.#server, 'listening');
    return canary;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    await once(this.#server, 'close');
  }
}

test('a name that is another one at every question is never reached where it must not be', async () => {
  await using canary = await Canary.listen('127.0.0.1');
  await using allowed = await Canary.listen('127.0.0.2', canary.port);
  await using server = await DnsServer.listen();
  let questions = 0;
  server.answer = () => [questions++ % 4 < 2 ? '127.0.0.2' : '127.0.0.1'];
  const clock = new FakeClock();
  const { dialer } = testEgress({ allow: ['127.0.0.2'] }, { clock, dns: server.client() });
  const target = { host: 'rebind.example.com', port: canary.port, tls: undefined };
  for (let dial = 0; dial < 20; dial++) {
    const result = await dialer.connect(target, never);
    if (result.ok) result.dialled.stream.destroy();
    await clock.advance(5_000);
  }
  expect(canary.connections).toBe(0);
  expect(allowed.connections).toBe(10);
});

test('a name with a good address of one family and a bad one of the other is refused', async () => {
  await using canary = await Canary.listen('127.0.0.2');
  await using server = await DnsServer.listen();
  server.answer = () => ['127.0.0.2', 'fd00:ec2::254'];
  const { dialer } = testEgress({ allow: ['127.0.0.2'] }, { dns: server.client() });
  const target = { host: 'mixed.example.com', port: canary.port, tls: undefined };
  expect(await dialer.connect(target, never)).toEqual(blocked);
  expect(canary.connections).toBe(0);
});

test('an alias is followed, and judged by where it ends', async () => {
  await using canary = await Canary.listen('127.0.0.1');
  await using server = await DnsServer.listen();
  server.answer = (name) => ({ alias: `www.${name}`, addresses: ['127.0.0.1'] });
  const target = { host: 'alias.example.com', port: canary.port, tls: undefined };
  const { dialer: strict } = testEgress({ allow: [] }, { dns: server.client() });
  expect(await strict.connect(target, never)).toEqual(blocked);
  expect(canary.connections).toBe(0);
  const { dialer } = testEgress({ allow: ['127.0.0.1'] }, { dns: server.client() });
  const result = await dialer.connect(target, never);
  expect(result.ok).toBe(true);
  if (result.ok) result.dialled.stream.destroy();
});

test('an answer of five hundred addresses is read to its end, and one bad one among them is enough', async () => {
  await using canary = await Canary.listen('127.0.0.1');
  await using server = await DnsServer.listen();
  const many = Array.from({ length: 500 }, (_, at) => `127.2.${at >> 8}.${at & 0xff}`);
  server.answer = (name) => (name.startsWith('bad') ? [...many, '127.0.0.1'] : many);
  const { dialer, registry } = testEgress(
    { allow: ['127.2.0.0/16'], staggerMs: 1 },
    { dns: server.client(2_000) },
  );
  const target = { port: canary.port, tls: undefined };
  expect(await dialer.connect({ ...target, host: 'bad.example.com' }, never)).toEqual(blocked);
  expect(await dialer.connect({ ...target, host: 'many.example.com' }, never)).toEqual({
    ok: false,
    failure: { reason: 'connect' },
  });
  expect(canary.connections).toBe(0);
  expect(await registry.metrics()).toContain('spillway_egress_refusals_total{reason="address"} 1');
});

test('a family that cannot be asked for is none, and no reason to be unreachable', async () => {
  await using canary = await Canary.listen('127.0.0.1');
  await using server = await DnsServer.listen();
  server.answer = (_, type) => (type === 'A' ? ['127.0.0.1'] : 'fail');
  const { dialer } = testEgress({}, { dns: server.client() });
  const target = { host: 'half.example.com', port: canary.port, tls: undefined };
  const result = await dialer.connect(target, never);
  expect(result.ok).toBe(true);
  if (result.ok) result.dialled.stream.destroy();
});

test('eight names that hang, and one host that does, keep no other waiting', async () => {
  await using receiver = await HostileReceiver.listen(silent);
  await using server = await DnsServer.listen();
  server.answer = (name) => (name.startsWith('hang') ? 'hang' : ['127.0.0.1']);
  const { dialer } = testEgress({ dialsPerHostMax: 2 }, { dns: server.client(5_000) });
  const abort = new AbortController();
  const { port } = receiver;
  let over = 0;
  const hanging = [
    ...Array.from({ length: 8 }, (_, at) => ({
      host: `hang${at}.example.com`,
      port,
      tls: undefined,
    })),
    // Accepts, and never shakes hands.
    ...Array.from({ length: 8 }, () => ({ host: 'mute.example.com', port, tls: { verify: true } })),
  ].map((target) => dialer.connect(target, abort.signal).finally(() => over++));
  await receiver.until(() => receiver.connections === 2);
  for (let at = 0; at < 20; at++) {
    const target = { host: `good${at}.example.com`, port, tls: undefined };
    const result = await dialer.connect(target, never);
    expect(result.ok).toBe(true);
    if (result.ok) result.dialled.stream.destroy();
  }
  expect(over).toBe(0);
  // Two at once is what one host gets of the sixteen.
  expect(receiver.connections).toBe(2 + 20);
  abort.abort();
  await Promise.all(hanging);
  await receiver.until(() => receiver.open.size === 0);
});

test('an address that turns out to be another one is left before a byte is sent', async () => {
  await using receiver = await HostileReceiver.listen(silent);
  // The kernel takes 0.0.0.0 for this host: the connection is to 127.0.0.1.
  const { dialer, registry } = testEgress({ allow: ['0.0.0.0'] });
  const target = { host: '0.0.0.0', port: receiver.port, tls: { verify: false } };
  expect(await dialer.connect(target, never)).toEqual(blocked);
  await receiver.until(() => receiver.connections === 1 && receiver.open.size === 0);
  expect(receiver.heard).toBe(0);
  expect(await registry.metrics()).toContain('spillway_egress_refusals_total{reason="address"} 1');
});

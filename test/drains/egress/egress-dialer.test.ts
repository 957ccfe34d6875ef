import { X509Certificate } from 'node:crypto';
import { subscribe, unsubscribe } from 'node:diagnostics_channel';
import { once } from 'node:events';
import { createServer, type AddressInfo, type Socket } from 'node:net';
import { createServer as createTlsServer } from 'node:tls';
import { expect, test, vi } from 'vitest';
import type { DialTarget, DialResult } from '../../../src/drains/egress/egress-dialer.ts';
import type { EgressOptions } from '../../../src/drains/egress/create-egress.ts';
import { CertificateAuthority, selfSigned } from '../../support/certificates.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { HostileReceiver, silent } from '../../support/hostile-receiver.ts';
import { SyslogReceiver } from '../../support/syslog-receiver.ts';
import { DnsServer } from './dns-server.ts';
import { names, testEgress } from './egress-kit.ts';

const authority = new CertificateAuthority();
const never = new AbortController().signal;
const verified = { verify: true };

async function dial(
  target: DialTarget,
  over: Partial<EgressOptions> = {},
  known: Readonly<Record<string, readonly string[]>> = {},
): Promise<DialResult> {
  const { dialer } = testEgress({ extraPem: authority.pem, ...over }, { dns: names(known) });
  const result = await dialer.connect(target, never);
  if (result.ok) result.dialled.stream.destroy();
  return result;
}

test('connects to an address that is allowed, with TLS checked against the address', async () => {
  await using receiver = await SyslogReceiver.listen(authority.issue({ hosts: ['127.0.0.1'] }));
  const result = await dial({ host: '127.0.0.1', port: receiver.port, tls: verified });
  expect(result.ok).toBe(true);
});

test('connects to a name, which the certificate must have', async () => {
  await using receiver = await SyslogReceiver.listen(
    authority.issue({ hosts: ['logs.example.com'] }),
  );
  const target = { port: receiver.port, tls: verified };
  const known = { 'logs.example.com': ['127.0.0.1'], 'other.example.com': ['127.0.0.1'] };
  expect((await dial({ ...target, host: 'logs.example.com' }, {}, known)).ok).toBe(true);
  expect(await dial({ ...target, host: 'other.example.com' }, {}, known)).toEqual({
    ok: false,
    failure: { reason: 'tls', certificate: 'hostname mismatch' },
  });
  const withName = { verify: true, servername: 'logs.example.com' };
  expect((await dial({ ...target, tls: withName, host: 'other.example.com' }, {}, known)).ok).toBe(
    true,
  );
});

test('a connection that is over in the moment in which it came about is no refusal', async () => {
  await using receiver = await SyslogReceiver.listen();
  const end = (message: unknown): void => {
    const { socket } = message as { socket: Socket };
    socket.once('connect', () => socket.destroy());
  };
  subscribe('net.client.socket', end);
  const result = await dial({ host: '127.0.0.1', port: receiver.port, tls: undefined });
  unsubscribe('net.client.socket', end);
  expect(result).toEqual({ ok: false, failure: { reason: 'closed' } });
});

test('localhost is the loopback that the operator allows, without asking anyone', async () => {
  await using receiver = await SyslogReceiver.listen();
  const target = { host: 'localhost', port: receiver.port, tls: undefined };
  expect((await dial(target)).ok).toBe(true);
  expect(await dial(target, { allow: ['10.0.0.0/8'] })).toEqual({
    ok: false,
    failure: { reason: 'blocked_address' },
  });
});

const otherAuthority = new CertificateAuthority('Other Authority');
const intermediate = new CertificateAuthority('Intermediate', authority);

test.each([
  ['expired', authority.issue({ fromDays: -10, toDays: -1 }), 'expired'],
  ['not yet valid', authority.issue({ fromDays: 1, toDays: 10 }), 'not yet valid'],
  ['for another host', authority.issue({ hosts: ['example.com'] }), 'hostname mismatch'],
  ['for another address', authority.issue({ hosts: ['127.0.0.2'] }), 'hostname mismatch'],
  ['self-signed', selfSigned(), 'self-signed'],
  ['of an unknown authority', otherAuthority.issue(), 'unknown authority'],
  ['shown without its intermediate', intermediate.issue(), 'unknown authority'],
  ['for a key of 1,024 bits', authority.issue({ isWeak: true }), 'weak'],
  ['for clients alone', authority.issue({ isClientOnly: true }), 'wrong purpose'],
])('a certificate that is %s is refused before a byte is sent', async (_, credentials, reason) => {
  await using receiver = await SyslogReceiver.listen(credentials);
  const target = { host: '127.0.0.1', port: receiver.port };
  expect(await dial({ ...target, tls: verified })).toEqual({
    ok: false,
    failure: { reason: 'tls', certificate: reason },
  });
  expect(receiver.messages).toEqual([]);
  expect((await dial({ ...target, tls: { verify: false } })).ok).toBe(true);
});

test.each([
  ['fine', authority.issue(), { issuer: 'Test Authority', problem: undefined }],
  [
    'expired',
    authority.issue({ fromDays: -10, toDays: -1 }),
    { issuer: 'Test Authority', problem: 'expired' },
  ],
  [
    'for another host',
    authority.issue({ hosts: ['example.com'] }),
    { issuer: 'Test Authority', problem: 'hostname mismatch' },
  ],
  ['self-signed', selfSigned(), { issuer: 'receiver', problem: 'self-signed' }],
  [
    'of an unknown authority',
    otherAuthority.issue(),
    { issuer: 'Other Authority', problem: 'unknown authority' },
  ],
])('whoever watches sees the certificate that is %s', async (_, credentials, facts) => {
  await using receiver = await SyslogReceiver.listen(credentials);
  const target = { host: '127.0.0.1', port: receiver.port };
  const expiresAtMs = Date.parse(new X509Certificate(credentials.cert).validTo);
  const { dialer } = testEgress({ extraPem: authority.pem });
  for (const verify of [true, false]) {
    const seen: unknown[] = [];
    const result = await dialer.connect({ ...target, tls: { verify } }, never, {
      done: (step) => void seen.push(step),
      certificate: (shown) => void seen.push(shown),
    });
    if (result.ok) result.dialled.stream.destroy();
    const isOver = verify && facts.problem !== undefined;
    expect(seen).toEqual([
      'resolve',
      'connect',
      { ...facts, expiresAtMs },
      ...(isOver ? [] : ['tls']),
    ]);
  }
});

test('an intermediate that the receiver shows is followed to its root', async () => {
  const { cert, key } = intermediate.issue();
  await using receiver = await SyslogReceiver.listen({ cert: cert + intermediate.pem, key });
  const target = { host: '127.0.0.1', port: receiver.port, tls: verified };
  expect((await dial(target)).ok).toBe(true);
});

test('NODE_TLS_REJECT_UNAUTHORIZED=0 opens nothing', async () => {
  await using receiver = await SyslogReceiver.listen(selfSigned());
  vi.stubEnv('NODE_TLS_REJECT_UNAUTHORIZED', '0');
  const result = await dial({ host: '127.0.0.1', port: receiver.port, tls: verified });
  vi.unstubAllEnvs();
  expect(result).toEqual({ ok: false, failure: { reason: 'tls', certificate: 'self-signed' } });
});

test('a server that only knows TLS 1.1 is a TLS failure', async () => {
  await using server = await OldServer.listen();
  const target = { host: '127.0.0.1', port: server.port, tls: { verify: false } };
  expect(await dial(target)).toEqual({ ok: false, failure: { reason: 'tls' } });
});

test('a server that does not speak TLS is a TLS failure', async () => {
  await using receiver = await HostileReceiver.listen((socket) =>
    socket.resume().write('220 hello\r\n'),
  );
  expect(await dial({ host: '127.0.0.1', port: receiver.port, tls: verified })).toEqual({
    ok: false,
    failure: { reason: 'tls' },
  });
  await receiver.until(() => receiver.open.size === 0);
});

test('a port where nobody listens is a failure to connect', async () => {
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  server.close();
  expect(await dial({ host: '127.0.0.1', port, tls: undefined })).toEqual({
    ok: false,
    failure: { reason: 'connect' },
  });
});

test('a name that does not resolve is a failure of its own', async () => {
  expect(await dial({ host: 'none.example.com', port: 443, tls: undefined })).toEqual({
    ok: false,
    failure: { reason: 'dns' },
  });
});

test('a receiver that never shakes hands is given up after the limit', async () => {
  await using receiver = await HostileReceiver.listen(silent);
  const clock = new FakeClock();
  const { dialer } = testEgress({}, { clock });
  const dialling = dialer.connect({ host: '127.0.0.1', port: receiver.port, tls: verified }, never);
  await receiver.until(() => receiver.connections === 1);
  await clock.advance(10_000);
  expect(await dialling).toEqual({ ok: false, failure: { reason: 'timeout' } });
  await receiver.until(() => receiver.open.size === 0);
});

test('a dial that is given up closes what it opened', async () => {
  await using receiver = await HostileReceiver.listen(silent);
  const { dialer, registry } = testEgress();
  const abort = new AbortController();
  const target = { host: '127.0.0.1', port: receiver.port, tls: verified };
  const dialling = dialer.connect(target, abort.signal);
  await receiver.until(() => receiver.connections === 1);
  abort.abort();
  expect((await dialling).ok).toBe(false);
  await receiver.until(() => receiver.open.size === 0);
  expect(await registry.metrics()).toContain('spillway_egress_dials_total{outcome="cancelled"} 1');
});

test('the next address is tried when one fails', async () => {
  await using receiver = await SyslogReceiver.listen();
  const known = { 'logs.example.com': ['127.0.0.9', '127.0.0.1'] };
  const target = { host: 'logs.example.com', port: receiver.port, tls: undefined };
  expect((await dial(target, {}, known)).ok).toBe(true);
});

test.each([
  ['a private address', ['10.0.0.1'], 443, 'address'],
  ['loopback', ['127.0.0.1'], 443, 'address'],
  ['one bad address among good ones', ['1.1.1.1', '169.254.169.254'], 443, 'address'],
  ['a bad one of the other family', ['1.1.1.1', 'fd00::1'], 443, 'address'],
  ['an allowed one beside a public one', ['1.1.1.1', '10.9.0.1'], 443, 'address'],
  ['a public address on a port that is closed', ['1.1.1.1'], 22, 'port'],
])('%s is refused without connecting', async (_, addresses, port, reason) => {
  const { dialer, registry } = testEgress(
    { allow: ['10.9.0.0/16'] },
    { dns: names({ 'logs.example.com': addresses }) },
  );
  const result = await dialer.connect({ host: 'logs.example.com', port, tls: undefined }, never);
  expect(result).toEqual({ ok: false, failure: { reason: 'blocked_address' } });
  expect(await registry.metrics()).toContain(
    `spillway_egress_refusals_total{reason="${reason}"} 1`,
  );
});

test('an internal name with a public address is refused', async () => {
  const { dialer, registry } = testEgress({}, { dns: names({ intranet: ['1.1.1.1'] }) });
  const result = await dialer.connect({ host: 'intranet', port: 443, tls: undefined }, never);
  expect(result).toEqual({ ok: false, failure: { reason: 'blocked_address' } });
  expect(await registry.metrics()).toContain('spillway_egress_refusals_total{reason="name"} 1');
});

test('a name that turns into a private one between two connections is refused at the second', async () => {
  await using canary = await HostileReceiver.listen(silent);
  await using server = await DnsServer.listen();
  const clock = new FakeClock();
  const { dialer } = testEgress({ allow: ['127.0.0.2'] }, { clock, dns: server.client() });
  const target = { host: 'rebind.example.com', port: canary.port, tls: undefined };
  server.answer = () => ['127.0.0.2'];
  const first = await dialer.connect(target, never);
  expect(first).toEqual({ ok: false, failure: { reason: 'connect' } });
  server.answer = () => ['127.0.0.1'];
  await clock.advance(60_000);
  const second = await dialer.connect(target, never);
  expect(second).toEqual({ ok: false, failure: { reason: 'blocked_address' } });
  expect(canary.connections).toBe(0);
});

test('five hundred answers are judged, and at most sixteen dialled', async () => {
  const addresses = Array.from({ length: 500 }, (_, at) => `127.1.${at >> 8}.${at & 0xff}`);
  const server = createServer().listen(0, '127.0.0.1');
  await once(server, 'listening');
  const { port } = server.address() as AddressInfo;
  const { dialer } = testEgress(
    { staggerMs: 1 },
    { dns: names({ 'many.example.com': addresses }) },
  );
  const result = await dialer.connect({ host: 'many.example.com', port, tls: undefined }, never);
  expect(result).toEqual({ ok: false, failure: { reason: 'connect' } });
  const { dialer: wary } = testEgress(
    {},
    { dns: names({ 'many.example.com': [...addresses, '10.0.0.1'] }) },
  );
  const refused = await wary.connect({ host: 'many.example.com', port, tls: undefined }, never);
  expect(refused).toEqual({ ok: false, failure: { reason: 'blocked_address' } });
  server.close();
});

test('no failure carries a name, an address or a banner', async () => {
  await using receiver = await HostileReceiver.listen((socket) =>
    socket.resume().write('secret banner'),
  );
  const result = await dial({ host: '127.0.0.1', port: receiver.port, tls: verified });
  expect(JSON.stringify(result)).not.toMatch(/banner|127\.0|\d{4}/);
});

class OldServer implements AsyncDisposable {
  readonly #server = createTlsServer({
    ...authority.issue(),
    minVersion: 'TLSv1.1',
    maxVersion: 'TLSv1.1',
    ciphers: 'DEFAULT@SECLEVEL=0',
  });

  static async listen(): Promise<OldServer> {
    const old = new OldServer();
    old.#server.on('tlsClientError', () => {}).listen(0, '127.0.0.1');
    await once(old.#server, 'listening');
    return old;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    await once(this.#server, 'close');
  }
}

import { once } from 'node:events';
import net, { type AddressInfo } from 'node:net';
import tls from 'node:tls';
import { expect, test } from 'vitest';
import type { DialResult } from '../../../src/drains/egress/egress-dialer.ts';
import type { TlsIdentity } from '../../../src/drains/egress/tls-trust.ts';
import { CertificateAuthority, selfSigned, type Credentials } from '../../support/certificates.ts';
import { testEgress } from './egress-kit.ts';

const operator = new CertificateAuthority();
const other = new CertificateAuthority();
const never = new AbortController().signal;
const none: TlsIdentity = { ca: undefined, cert: undefined, key: undefined };

async function dial(
  server: tls.TlsOptions & Credentials,
  identity: Partial<TlsIdentity>,
): Promise<{ result: DialResult; seen: string | undefined }> {
  const listener = tls.createServer(server);
  const connected = new Promise<string | undefined>((resolve) => {
    listener.on('secureConnection', (socket) => {
      resolve((socket.getPeerCertificate().subject as { CN?: string } | undefined)?.CN);
      socket.on('error', () => undefined);
    });
    listener.on('tlsClientError', () => resolve(undefined));
  });
  listener.listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const { port } = listener.address() as AddressInfo;
  const { dialer } = testEgress({ extraPem: operator.pem });
  const target = {
    host: '127.0.0.1',
    port,
    tls: { verify: true, identity: { ...none, ...identity } },
  };
  const result = await dialer.connect(target, never);
  const seen = await connected;
  if (result.ok) result.dialled.stream.destroy();
  listener.close();
  return { result, seen };
}

test("an owner's CA is trusted, and nobody else's any more", async () => {
  expect((await dial(other.issue(), {})).result).toMatchObject({ failure: { reason: 'tls' } });
  expect((await dial(other.issue(), { ca: other.pem })).result.ok).toBe(true);
  expect((await dial(operator.issue(), {})).result.ok).toBe(true);
  expect((await dial(operator.issue(), { ca: other.pem })).result).toMatchObject({
    failure: { reason: 'tls' },
  });
});

test("a receiver's own certificate can be what is trusted, but its name still counts", async () => {
  const own = selfSigned();
  expect((await dial(own, { ca: own.cert })).result.ok).toBe(true);
  const misnamed = selfSigned({ hosts: ['elsewhere.example'] });
  expect((await dial(misnamed, { ca: misnamed.cert })).result).toMatchObject({
    failure: { reason: 'tls' },
  });
});

test('a client certificate is shown to a receiver that asks for one', async () => {
  const client = other.issue({ hosts: ['drain.example'] });
  const asking = {
    ...operator.issue(),
    requestCert: true,
    rejectUnauthorized: true,
    ca: other.pem,
  };
  const shown = await dial(asking, client);
  expect(shown.result.ok).toBe(true);
  expect(shown.seen).toBe('receiver');
  expect((await dial(asking, {})).seen).toBeUndefined();
});

test('a client certificate that OpenSSL will not show leaves no connection behind', async () => {
  const listener = net.createServer().listen(0, '127.0.0.1');
  await once(listener, 'listening');
  const accepted = once(listener, 'connection') as Promise<[net.Socket]>;
  const { port } = listener.address() as AddressInfo;
  const { cert, key } = other.issue({ isWeak: true });
  const tls = { verify: true, identity: { ...none, cert, key } };
  const { dialer } = testEgress();
  const result = await dialer.connect({ host: '127.0.0.1', port, tls }, never);
  expect(result).toMatchObject({ ok: false, failure: { reason: 'tls' } });
  const [socket] = await accepted;
  await once(socket.resume(), 'close');
  listener.close();
});

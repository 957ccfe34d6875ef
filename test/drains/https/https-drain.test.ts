import { gunzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { collectGarbage } from '../../support/collect-garbage.ts';
import { HttpsReceiver } from '../../support/https-receiver.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { CertificateAuthority, selfSigned, type Credentials } from '../../support/certificates.ts';
import { authority, batch, httpsDrain, never } from './https-kit.ts';

const delivered = { kind: 'delivered', rejected: 0 };

test("a batch is one POST with logplex's headers, and nothing else", async () => {
  await using receiver = await HttpsReceiver.listen(authority.issue());
  await using drain = httpsDrain(receiver.url('/in?k=v', 'me:p%40ss'));
  const sent = batch();
  expect(await drain.deliver(sent, never)).toEqual(delivered);
  const [request] = receiver.requests;
  expect(request).toMatchObject({ method: 'POST', url: '/in?k=v', body: sent.body });
  expect(request?.rawHeaders).toEqual([
    'host',
    `127.0.0.1:${receiver.port}`,
    'connection',
    'keep-alive',
    'Content-Type',
    'application/logplex-1',
    'Logplex-Drain-Token',
    'd.token',
    'User-Agent',
    'Logplex/spillway-test',
    'Authorization',
    `Basic ${Buffer.from('me:p@ss').toString('base64')}`,
    'Logplex-Msg-Count',
    '1',
    'Logplex-Frame-Id',
    sent.id,
    'content-length',
    String(sent.body.length),
  ]);
});

test('a URL without credentials sends none, and a user alone has an empty password', async () => {
  await using receiver = await HttpsReceiver.listen();
  await using anonymous = httpsDrain(receiver.url());
  await anonymous.deliver(batch(), never);
  await using token = httpsDrain(receiver.url('/', 'tok'));
  await token.deliver(batch(), never);
  expect(receiver.requests.map((request) => request.headers.authorization)).toEqual([
    undefined,
    `Basic ${Buffer.from('tok:').toString('base64')}`,
  ]);
});

test('a body is let go when it was answered for, and not with the next one', async () => {
  await using receiver = await HttpsReceiver.listen();
  await using drain = httpsDrain(receiver.url());
  const deliver = async (): Promise<WeakRef<Buffer>> => {
    const sent = batch();
    expect(await drain.deliver(sent, never)).toEqual(delivered);
    return new WeakRef(sent.body);
  };
  const body = await deliver();
  await collectGarbage();
  expect(body.deref()).toBeUndefined();
});

test('with gzip the body is compressed and says so', async () => {
  await using receiver = await HttpsReceiver.listen();
  await using drain = httpsDrain(`${receiver.url()}#gzip=1`);
  const sent = batch('x'.repeat(5000));
  expect(await drain.deliver(sent, never)).toEqual(delivered);
  const [request] = receiver.requests;
  expect(request?.headers['content-encoding']).toBe('gzip');
  expect(gunzipSync(request?.body ?? '')).toEqual(sent.body);
});

test('a batch that was cut for another format is said to be that, and its answer is read so', async () => {
  await using receiver = await HttpsReceiver.listen();
  receiver.answer = () => ({ status: 200, body: '{"partialSuccess":{"rejectedLogRecords":1}}' });
  await using drain = httpsDrain(`${receiver.url()}#format=ndjson`);
  const older = { ...batch(), contentType: 'application/json' };
  expect(await drain.deliver(older, never)).toEqual({ kind: 'delivered', rejected: 1 });
  expect(await drain.deliver(batch(), never)).toEqual(delivered);
  const types = receiver.requests.map(({ headers }) => headers['content-type']);
  expect(types).toEqual(['application/json', 'application/x-ndjson']);
});

test('one message a line is plain text', async () => {
  await using receiver = await HttpsReceiver.listen();
  await using drain = httpsDrain(`${receiver.url()}#framing=lf`);
  await drain.deliver(batch(), never);
  expect(receiver.requests[0]?.headers['content-type']).toBe('text/plain');
});

test('one connection serves batch after batch', async () => {
  await using receiver = await HttpsReceiver.listen(authority.issue());
  await using drain = httpsDrain(receiver.url());
  for (let count = 0; count < 5; count++) await drain.deliver(batch(`${count}`), never);
  expect(receiver.requests).toHaveLength(5);
  expect(receiver.connections).toBe(1);
});

test('a connection that is five hours old is not used again', async () => {
  await using receiver = await HttpsReceiver.listen(authority.issue());
  const clock = new FakeClock();
  await using drain = httpsDrain(receiver.url(), { clock });
  await drain.deliver(batch('1'), never);
  await clock.advance(5 * 3_600_000 - 1);
  await drain.deliver(batch('2'), never);
  expect(receiver.connections).toBe(1);
  await clock.advance(1);
  expect(await drain.deliver(batch('3'), never)).toEqual(delivered);
  expect(receiver.connections).toBe(2);
});

test.each([
  ['http', 'http'],
  ['https', 'https'],
  ['http', 'https'],
  ['https', 'http'],
])('a redirect from %s to %s is not followed', async (from, to) => {
  const credentials = (scheme: string): [Credentials] | [] =>
    scheme === 'https' ? [authority.issue()] : [];
  await using canary = await HttpsReceiver.listen(...credentials(to));
  await using receiver = await HttpsReceiver.listen(...credentials(from));
  await using drain = httpsDrain(receiver.url());
  for (const status of [301, 302, 303, 307, 308]) {
    receiver.answer = () => ({ status, headers: { location: canary.url() } });
    const delivery = await drain.deliver(batch(), never);
    expect(delivery).toEqual({ kind: 'hold', reason: 'http_3xx', status });
  }
  expect(canary.connections).toBe(0);
});

test('statuses and Retry-After of a real answer are told', async () => {
  await using receiver = await HttpsReceiver.listen();
  await using drain = httpsDrain(receiver.url());
  receiver.answer = () => ({ status: 429, headers: { 'retry-after': '5' }, body: 'slow down' });
  expect(await drain.deliver(batch(), never)).toEqual({
    kind: 'retry',
    reason: 'http_429',
    status: 429,
    afterMs: 5000,
  });
  receiver.answer = () => ({ status: 413 });
  expect(await drain.deliver(batch(), never)).toEqual({ kind: 'split', status: 413 });
});

test('a compressed answer is not inflated, and a long one ends the connection, not the delivery', async () => {
  await using receiver = await HttpsReceiver.listen();
  await using drain = httpsDrain(receiver.url());
  receiver.answer = () => ({ status: 200, body: Buffer.alloc(1024 * 1024) });
  expect(await drain.deliver(batch(), never)).toEqual(delivered);
  receiver.answer = () => ({
    status: 200,
    headers: { 'content-encoding': 'gzip' },
    body: 'no gzip',
  });
  expect(await drain.deliver(batch(), never)).toEqual(delivered);
  expect(receiver.connections).toBe(2);
});

test('a certificate that is refused is a retry with its reason, and nothing is sent', async () => {
  await using receiver = await HttpsReceiver.listen(selfSigned());
  await using drain = httpsDrain(receiver.url('/', 'me:secret'));
  expect(await drain.deliver(batch(), never)).toEqual({
    kind: 'retry',
    reason: 'tls',
    certificate: 'self-signed',
  });
  expect(receiver.requests).toEqual([]);
  await using trusting = httpsDrain(`${receiver.url()}#insecure`);
  expect(await trusting.deliver(batch(), never)).toEqual(delivered);
});

test('a receiver that wants a certificate of ours says so in words of L14, and takes it', async () => {
  const clients = new CertificateAuthority('Clients');
  const asking = { ...authority.issue(), requestCert: true, ca: clients.pem };
  await using receiver = await HttpsReceiver.listen(asking);
  await using anonymous = httpsDrain(receiver.url());
  expect(await anonymous.deliver(batch(), never)).toEqual({
    kind: 'retry',
    reason: 'tls',
    certificate: 'client certificate required',
  });
  await using known = httpsDrain(`${receiver.url()}#${clientFragment(clients.issue())}`);
  expect(await known.deliver(batch(), never)).toEqual(delivered);
  expect(receiver.requests).toHaveLength(1);
});

function clientFragment({ cert, key }: Credentials): string {
  const base64 = (text: string): string => encodeURIComponent(Buffer.from(text).toString('base64'));
  return `client_cert=${base64(cert)}&client_key=${base64(key)}`;
}

test('a receiver that closed the kept connection costs no failure', async () => {
  await using receiver = await HttpsReceiver.listen();
  await using drain = httpsDrain(receiver.url());
  await drain.deliver(batch('1'), never);
  for (const socket of receiver.open) socket.resetAndDestroy();
  expect(await drain.deliver(batch('2'), never)).toEqual(delivered);
  expect(receiver.connections).toBe(2);
});

test('a receiver that is gone is a retry, and one that comes back is found', async () => {
  const gone = await HttpsReceiver.listen();
  const url = gone.url();
  await gone[Symbol.asyncDispose]();
  await using drain = httpsDrain(url);
  expect(await drain.deliver(batch(), never)).toEqual({ kind: 'retry', reason: 'connect' });
});

test('giving up ends at once, closes the connection, and the next batch goes through', async () => {
  await using receiver = await HttpsReceiver.listen();
  const abort = new AbortController();
  receiver.answer = () => {
    abort.abort();
    return new Promise(() => {});
  };
  await using drain = httpsDrain(receiver.url());
  expect(await drain.deliver(batch('1'), abort.signal)).toEqual({
    kind: 'retry',
    reason: 'closed',
  });
  expect(await drain.deliver(batch('1'), abort.signal)).toEqual({
    kind: 'retry',
    reason: 'closed',
  });
  receiver.answer = () => ({ status: 200 });
  expect(await drain.deliver(batch('2'), never)).toEqual(delivered);
});

test('closing ends the connection', async () => {
  await using receiver = await HttpsReceiver.listen();
  const drain = httpsDrain(receiver.url());
  await drain.deliver(batch(), never);
  const [socket] = receiver.open;
  const closed = new Promise((resolve) => socket?.on('close', resolve));
  await drain.close();
  await closed;
});

test.each([
  ['format=ndjson', 'application/x-ndjson'],
  ['format=otlp', 'application/json'],
  ['format=rfc5424', 'application/logplex-1'],
  ['format=rfc5424&framing=lf', 'text/plain'],
])('%s is %s, with the same headers of ours', async (fragment, type) => {
  await using receiver = await HttpsReceiver.listen();
  await using drain = httpsDrain(`${receiver.url()}#${fragment}`);
  const sent = batch();
  await drain.deliver(sent, never);
  expect(receiver.requests[0]?.headers).toMatchObject({
    'content-type': type,
    'logplex-frame-id': sent.id,
    'logplex-msg-count': '1',
    'logplex-drain-token': 'd.token',
  });
});

test("the owner's headers are sent, instead of ours where the names are the same", async () => {
  await using receiver = await HttpsReceiver.listen();
  const options = 'headers.X-Key=a%20b&headers.user-agent=me&headers.Authorization=Bearer%20t';
  await using drain = httpsDrain(`${receiver.url()}#${options}`);
  await drain.deliver(batch(), never);
  const { rawHeaders = [] } = receiver.requests[0] ?? {};
  const pairs = rawHeaders
    .filter((_, i) => i % 2 === 0)
    .map((name, i) => [name, rawHeaders[2 * i + 1]]);
  expect(pairs.filter(([name]) => /x-key|user-agent|authorization/i.test(name ?? ''))).toEqual([
    ['X-Key', 'a b'],
    ['user-agent', 'me'],
    ['Authorization', 'Bearer t'],
  ]);
});

test('records that an OTLP receiver rejected of a batch are told; others may say what they like', async () => {
  await using receiver = await HttpsReceiver.listen();
  receiver.answer = () => ({
    status: 200,
    body: '{"partialSuccess":{"rejectedLogRecords":"2","errorMessage":"too old"}}',
  });
  await using otlp = httpsDrain(`${receiver.url()}#format=otlp`);
  expect(await otlp.deliver(batch(), never)).toEqual({ kind: 'delivered', rejected: 2 });
  await using ndjson = httpsDrain(`${receiver.url()}#format=ndjson`);
  expect(await ndjson.deliver(batch(), never)).toEqual(delivered);
  receiver.answer = () => ({ status: 503, body: '{"partialSuccess":{"rejectedLogRecords":"2"}}' });
  expect(await otlp.deliver(batch(), never)).toMatchObject({ kind: 'retry', status: 503 });
});

test('an OTLP answer that is too long is a success like any other', async () => {
  await using receiver = await HttpsReceiver.listen();
  receiver.answer = () => ({ status: 200, body: 'x'.repeat(100_000) });
  await using drain = httpsDrain(`${receiver.url()}#format=otlp`);
  expect(await drain.deliver(batch(), never)).toEqual(delivered);
});

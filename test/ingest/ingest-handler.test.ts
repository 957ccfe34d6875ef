import { gzipSync } from 'node:zlib';
import { expect, test } from 'vitest';
import { DependencyError } from '../../src/core/errors.ts';
import { rejectedTotal } from '../../src/core/record.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { frame, textsOf } from '../support/records.ts';
import {
  basic,
  Client,
  GatedLog,
  type Harness,
  post,
  request,
  shuttle,
  startIngest,
  storedIn,
  token,
  until,
} from './ingest-harness.ts';

const a = frame('a');
const b = frame('b');
const c = frame('c');

async function texts(harness: { records(): Promise<{ frames: Buffer }[]> }): Promise<string[]> {
  return (await harness.records()).flatMap(({ frames }) => textsOf(frames));
}

test('stores the body as one record, and says 204 without a body once it is durable', async () => {
  await using harness = await startIngest();
  harness.log.isStopped = true;
  const client = new Client(harness.port).send(request(a + b, { 'Logplex-Msg-Count': '2' }));
  await until(() => harness.log.waiting === 1);
  expect(client.received).toBe('');
  harness.log.letGo();
  const reply = await client.reply();
  expect(reply).toMatchObject({ status: 204, body: '' });
  expect(reply?.headers.has('content-length')).toBe(false);
  expect(reply?.headers.has('spillway-rejected')).toBe(false);
  const [record] = await harness.records();
  expect(record).toMatchObject({
    kind: 'lines',
    app: 1,
    lines: 2,
    part: 1,
    parts: 1,
    rejected: {},
  });
  expect(record?.frames.toString()).toBe(a + b);
  expect(record?.receivedAtMs).toBe(harness.clock.nowMs());
  expect(await harness.metric('spillway_accepted_messages_total')).toBe(2);
  expect(await harness.metric('spillway_ingest_requests_total', { outcome: 'stored' })).toBe(1);
  client.close();
});

test('keeps the connection, and reads a chunked body cut anywhere', async () => {
  await using harness = await startIngest();
  const client = new Client(harness.port);
  const body = Buffer.from(a + b + c);
  for (let cut = 1; cut < body.length; cut += 7) {
    const chunk = (part: Buffer): string =>
      `${part.length.toString(16)}\r\n${part.toString('latin1')}\r\n`;
    const head = request('', { 'Content-Length': undefined, 'Transfer-Encoding': 'chunked' });
    client.send(head, chunk(body.subarray(0, cut)));
    client.send(chunk(body.subarray(cut)), '0\r\n\r\n');
    expect(await client.reply()).toMatchObject({ status: 204 });
  }
  expect(new Set(await texts(harness))).toEqual(new Set(['a', 'b', 'c']));
  client.close();
});

test.each([
  ['application/x-logplex-1', 204],
  ['application/logplex-1; charset=utf-8', 204],
  ['Application/Logplex-1', 204],
  ['text/plain', 415],
  ['application/logplex-10', 415],
  [undefined, 415],
])('answers content type %s with %i', async (type, status) => {
  await using harness = await startIngest();
  expect(await post(harness, a, { 'Content-Type': type })).toMatchObject({ status });
});

test.each([
  [basic(token), 204],
  [`basic  ${basic(token).slice(6)}`, 204],
  [`Bearer ${token}`, 204],
  [`BEARER ${token}`, 204],
  [undefined, 401],
  ['', 401],
  ['Basic !!!', 401],
  [basic(token, 'user'), 401],
  [basic(''), 401],
  [`Basic ${Buffer.from(token).toString('base64')}`, 401],
  [token, 401],
  ['Bearer', 401],
])('answers Authorization %j with %i', async (authorization, status) => {
  await using harness = await startIngest();
  const reply = await post(harness, a, { Authorization: authorization });
  expect(reply?.status).toBe(status);
  if (status === 401) {
    expect(reply?.headers.get('www-authenticate')).toBe('Basic realm="Logplex"');
    expect(harness.directory.asked).toBe(0);
    expect(await texts(harness)).toEqual([]);
  }
});

test('answers 401 when the registry says no, and keeps the connection', async () => {
  await using harness = await startIngest();
  harness.directory.owner = undefined;
  const client = new Client(harness.port).send(request(a), request(b));
  expect(await client.reply()).toMatchObject({ status: 401 });
  expect(await client.reply()).toMatchObject({ status: 401 });
  expect(await harness.metric('spillway_ingest_auth_failures_total', { reason: 'unknown' })).toBe(
    2,
  );
  client.close();
});

test('allows POST only', async () => {
  await using harness = await startIngest();
  for (const method of ['GET', 'PUT', 'DELETE', 'OPTIONS']) {
    const reply = await post(harness, '', {}, `${method} /logs HTTP/1.1`);
    expect(reply).toMatchObject({ status: 405 });
    expect(reply?.headers.get('allow')).toBe('POST');
  }
});

test('keeps good frames beside bad ones, and counts those in the record and in the answer', async () => {
  await using harness = await startIngest();
  const reply = await post(harness, `junk\n${a}${b}`, { 'Logplex-Msg-Count': '5' });
  expect(reply).toMatchObject({ status: 204 });
  expect(reply?.headers.get('spillway-rejected')).toBe('3');
  const [record] = await harness.records();
  expect(record).toMatchObject({ lines: 2, rejected: { malformed: 1, count_mismatch: 2 } });
  const metric = 'spillway_rejected_messages_total';
  expect(await harness.metric(metric, { reason: 'malformed' })).toBe(1);
  expect(await harness.metric(metric, { reason: 'count_mismatch' })).toBe(2);
  expect(await harness.metric(metric, { reason: 'rate_limited' })).toBe(0);
});

test('answers 400 only when nothing in the body parses, and leaves an empty record then', async () => {
  await using harness = await startIngest();
  const reply = await post(harness, 'hello\nworld\n');
  expect(reply).toMatchObject({ status: 400, body: 'Malformed log messages\n' });
  expect(reply?.headers.get('spillway-rejected')).toBe('1');
  expect(await harness.records()).toMatchObject([
    { kind: 'empty', lines: 0, rejected: { malformed: 1 } },
  ]);
});

test('answers 204 for nothing, and 400 for nothing that was announced as something', async () => {
  await using harness = await startIngest();
  expect(await post(harness, '')).toMatchObject({ status: 204 });
  expect(await post(harness, '\n', { 'Logplex-Msg-Count': '0' })).toMatchObject({ status: 204 });
  expect(await harness.records()).toEqual([]);
  expect(await post(harness, '', { 'Logplex-Msg-Count': '2' })).toMatchObject({ status: 400 });
  expect(await harness.records()).toMatchObject([
    { kind: 'empty', rejected: { count_mismatch: 2 } },
  ]);
});

test('inflates gzip, in one go or in a thread, one member or several', async () => {
  await using harness = await startIngest();
  const gzip = { 'Content-Encoding': 'gzip' };
  const large = frame('x'.repeat(9000)).repeat(300);
  expect(await post(harness, gzipSync(a), gzip)).toMatchObject({ status: 204 });
  expect(await post(harness, Buffer.concat([gzipSync(b), gzipSync(c)]), gzip)).toMatchObject({
    status: 204,
  });
  expect(await post(harness, gzipSync(large), gzip)).toMatchObject({ status: 204 });
  expect((await texts(harness)).slice(0, 3)).toEqual(['a', 'b', 'c']);
  expect(await texts(harness)).toHaveLength(303);
});

test('refuses gzip that is none, is cut off or inflates beyond the bound, and other encodings', async () => {
  await using harness = await startIngest({ bodyBytesMax: 100_000 });
  const gzip = { 'Content-Encoding': 'gzip' };
  expect(await post(harness, 'no gzip', gzip)).toMatchObject({
    status: 400,
    reason: 'Bad request',
  });
  const cutOff = gzipSync(a).subarray(0, 30);
  expect(await post(harness, cutOff, gzip)).toMatchObject({ status: 400 });
  const bomb = gzipSync(Buffer.alloc(50_000_000, 0x20));
  expect(await post(harness, bomb, gzip)).toMatchObject({ status: 413 });
  for (const encoding of ['br', 'deflate', 'gzip, gzip', 'zstd']) {
    const reply = await post(harness, a, { 'Content-Encoding': encoding });
    expect(reply).toMatchObject({ status: 415 });
    expect(reply?.headers.get('accept-encoding')).toBe('gzip');
  }
  expect(await harness.records()).toEqual([]);
});

test('does not spend more than its bound on a bomb that is larger than it', async () => {
  await using harness = await startIngest({ bodyBytesMax: 4 << 20 });
  const bomb = gzipSync(Buffer.alloc(60_000_000));
  expect(await post(harness, bomb, { 'Content-Encoding': 'gzip' })).toMatchObject({ status: 413 });
});

test('refuses a body that is too large: at once when its length says so, else when it is', async () => {
  await using harness = await startIngest({ bodyBytesMax: 10_000 });
  const client = new Client(harness.port).send(request('', { 'Content-Length': '100000000' }));
  expect(await client.reply()).toMatchObject({ status: 413 });
  client.close();
  const chunked = { 'Content-Length': undefined, 'Transfer-Encoding': 'chunked' };
  const other = new Client(harness.port).send(request('', chunked));
  for (let i = 0; i < 3; i++) other.send(`1388\r\n${'x'.repeat(5000)}\r\n`);
  const reply = await other.reply();
  expect(reply).toMatchObject({ status: 413 });
  expect(reply?.headers.get('connection')).toBe('close');
  // It is not read for ever.
  const flood = `ffff\r\n${'x'.repeat(0xffff)}\r\n`;
  await until(() => {
    if (!other.isClosed) other.send(flood);
    return other.isClosed;
  });
  expect(await harness.records()).toEqual([]);
  expect(await harness.metric('spillway_ingest_in_flight_bytes')).toBe(0);
});

test.each([
  ['Host', 'other.example'],
  ['Authorization', basic(token)],
  ['AUTHORIZATION', 'Bearer x'],
  ['Content-Type', 'application/logplex-1'],
  ['Content-Length', '5'],
  ['content-length', String(Buffer.byteLength(a))],
  ['Content-Encoding', 'gzip'],
  ['Transfer-Encoding', 'chunked'],
])('refuses a second %s: %s', async (name, value) => {
  await using harness = await startIngest();
  const extra = name === 'Content-Encoding' ? { 'content-encoding': 'identity' } : {};
  const sent = request(a, extra).toString('latin1');
  const reply = await new Client(harness.port)
    .send(sent.replace('\r\n\r\n', `\r\n${name}: ${value}\r\n\r\n`))
    .reply();
  expect(reply).toMatchObject({ status: 400 });
  expect(reply?.headers.get('connection')).toBe('close');
  expect(await harness.records()).toEqual([]);
});

test.each([
  ['a length that is no number', 'Content-Length: 5x\r\n'],
  ['a negative length', 'Content-Length: -5\r\n'],
  ['an unknown transfer encoding', 'Transfer-Encoding: xchunked\r\n'],
  ['chunked and then something', 'Transfer-Encoding: chunked, identity\r\n'],
  ['a space before the colon', 'Transfer-Encoding : chunked\r\n'],
  ['a folded header', 'X-A: b\r\n c\r\nContent-Length: 5\r\n'],
])('refuses %s', async (_name, header) => {
  await using harness = await startIngest();
  const head = `POST /logs HTTP/1.1\r\nHost: x\r\nAuthorization: ${basic(token)}\r\n`;
  const reply = await new Client(harness.port)
    .send(`${head}Content-Type: application/logplex-1\r\n${header}\r\n5\r\nhello\r\n0\r\n\r\n`)
    .reply();
  expect(reply?.status).toBe(400);
  expect(await harness.records()).toEqual([]);
});

test('refuses a body in a transfer coding that it would not undo', async () => {
  await using harness = await startIngest();
  const chunked = { 'Content-Length': undefined, 'Transfer-Encoding': 'gzip, chunked' };
  const body = `${a.length.toString(16)}\r\n${a}\r\n0\r\n\r\n`;
  expect(await post(harness, body, chunked)).toMatchObject({ status: 501 });
  expect(await harness.records()).toEqual([]);
});

test('refuses more headers than it reads', async () => {
  await using harness = await startIngest();
  const many = Object.fromEntries(Array.from({ length: 80 }, (_, i) => [`X-${i}`, 'y']));
  expect(await post(harness, a, many)).toMatchObject({ status: 431 });
});

test('answers a request that expects 100 Continue', async () => {
  await using harness = await startIngest();
  const head = request('', { 'Content-Length': String(a.length), Expect: '100-continue' });
  const client = new Client(harness.port).send(head);
  expect(await client.reply()).toMatchObject({ status: 100 });
  client.send(a);
  expect(await client.reply()).toMatchObject({ status: 204 });
  client.close();
});

test('never stores the token: a header field that is equal to it becomes the name of the app', async () => {
  await using harness = await startIngest();
  await post(harness, frame(`text ${token}`, { app: token, proc: token }));
  const [record] = await harness.records();
  expect(record?.frames.toString()).toBe(frame(`text ${token}`, { app: 'demo', proc: 'demo' }));
});

test('cuts long texts and counts them', async () => {
  await using harness = await startIngest({ messageBytesMax: 10 });
  expect(await post(harness, frame('0123456789ab') + a)).toMatchObject({ status: 204 });
  expect(await texts(harness)).toEqual(['0123456789 [… 2 bytes cut]', 'a']);
  expect(await harness.metric('spillway_ingest_cut_messages_total')).toBe(1);
});

test('makes several records of a large request, cut between frames', async () => {
  await using harness = await startIngest();
  const body = frame('x'.repeat(1000)).repeat(600);
  const headers = { 'X-Request-Id': 'large' };
  expect(await post(harness, body, headers)).toMatchObject({ status: 204 });
  const records = await harness.records();
  expect(records.map(({ part, parts }) => [part, parts])).toEqual([
    [1, 3],
    [2, 3],
    [3, 3],
  ]);
  expect(Buffer.concat(records.map(({ frames }) => frames)).toString()).toBe(body);
  expect(records.every(({ frames }) => frames.length <= 256 * 1024)).toBe(true);
});

test('drops what is beyond the rate of the app, part by part, and counts exactly', async () => {
  await using harness = await startIngest({ appBurstBytesMax: 300_000, appBytesPerSecond: 1000 });
  const line = frame('x'.repeat(1000));
  const reply = await post(harness, line.repeat(600));
  expect(reply).toMatchObject({ status: 204 });
  const records = await harness.records();
  expect(records).toHaveLength(1);
  const [first] = records;
  const dropped = 600 - (first?.lines ?? 0);
  expect(first).toMatchObject({ part: 1, parts: 1, rejected: { rate_limited: dropped } });
  expect(reply?.headers.get('spillway-rejected')).toBe(String(dropped));
  expect(await post(harness, line.repeat(100))).toMatchObject({ status: 204 });
  expect((await harness.records())[1]).toMatchObject({
    kind: 'empty',
    lines: 0,
    rejected: { rate_limited: 100 },
  });
  await harness.clock.advance(60_000);
  expect(await post(harness, line)).toMatchObject({ status: 204 });
  const lines = (await harness.records()).filter(({ kind }) => kind !== 'notice');
  expect(lines[2]).toMatchObject({ kind: 'lines', lines: 1, rejected: {} });
});

test('answers like logplex when it is told to: all or nothing', async () => {
  await using harness = await startIngest({ strict: true });
  for (const bad of [`${a}\n`, `${a}\n${b}`, `hello\n`, `10241 ${'x'.repeat(10_240)}\n${a}`]) {
    const text = 'Malformed log messages';
    expect(await post(harness, bad)).toMatchObject({
      status: 400,
      reason: text,
      body: `${text}\n`,
    });
  }
  for (const count of ['2', 'abc', '']) {
    const text = 'Message count mismatch';
    const reply = await post(harness, a, { 'Logplex-Msg-Count': count });
    expect(reply).toMatchObject({ status: 400, reason: text, body: `${text}\n` });
  }
  expect((await harness.records()).every(({ kind }) => kind === 'empty')).toBe(true);
  expect(await post(harness, a + b, { 'Logplex-Msg-Count': '+2' })).toMatchObject({ status: 204 });
  expect(await texts(harness)).toEqual(['a', 'b']);
});

test('stores a repeated request once', async () => {
  await using harness = await startIngest();
  const headers = { 'X-Request-Id': '6ba7b810', 'Logplex-Msg-Count': '2' };
  for (let i = 0; i < 3; i++)
    expect(await post(harness, a + b, headers)).toMatchObject({ status: 204 });
  expect(await texts(harness)).toEqual(['a', 'b']);
  expect(await harness.metric('spillway_ingest_requests_total', { outcome: 'repeated' })).toBe(2);
  expect(await harness.metric('spillway_accepted_messages_total')).toBe(2);
});

test('recognises a repeat in which the first line was stamped anew', async () => {
  await using harness = await startIngest();
  const headers = { 'X-Request-Id': '6ba7b810' };
  await post(harness, frame('Error L12: 2 messages dropped since 1') + a, headers);
  await post(harness, frame('Error L12: 2 messages dropped since 2') + a, headers);
  expect(await texts(harness)).toHaveLength(2);
});

test('stores a request with a reused id and another body, and one without an id, again', async () => {
  await using harness = await startIngest();
  await post(harness, a, { 'X-Request-Id': 'x' });
  await post(harness, b, { 'X-Request-Id': 'x' });
  await post(harness, a + b, { 'X-Request-Id': 'x' });
  await post(harness, c);
  await post(harness, c);
  expect(await texts(harness)).toEqual(['a', 'b', 'a', 'b', 'c', 'c']);
});

test('knows a request by its Frame-Id rather than by an id that a gateway made', async () => {
  await using harness = await startIngest();
  await post(harness, a, { 'Logplex-Frame-Id': 'f', 'X-Request-Id': '1' });
  await post(harness, a, { 'Logplex-Frame-Id': 'f', 'X-Request-Id': '2' });
  expect(await texts(harness)).toEqual(['a']);
});

test('forgets a request after the window', async () => {
  await using harness = await startIngest();
  await post(harness, a, { 'X-Request-Id': 'x' });
  await harness.clock.advance(122_000);
  await post(harness, a, { 'X-Request-Id': 'x' });
  expect(await texts(harness)).toEqual(['a', 'a']);
});

test('lets a repeat wait for the result of the first copy', async () => {
  await using harness = await startIngest();
  harness.log.isStopped = true;
  const sent = request(a, { 'X-Request-Id': 'x' });
  const first = new Client(harness.port).send(sent);
  await until(() => harness.log.waiting === 1);
  const second = new Client(harness.port).send(sent);
  const third = new Client(harness.port).send(sent);
  await until(() => held(harness) === 2);
  harness.log.letGo();
  for (const client of [first, second, third]) {
    expect(await client.reply()).toMatchObject({ status: 204 });
    client.close();
  }
  expect(await texts(harness)).toEqual(['a']);
});

function held({ ingest }: Harness): number {
  return ingest.handler.heldRequests;
}

test('lets a repeat do the work when the first copy failed', async () => {
  await using harness = await startIngest();
  harness.log.isStopped = true;
  const sent = request(a, { 'X-Request-Id': 'x' });
  const first = new Client(harness.port).send(sent);
  await until(() => harness.log.waiting === 1);
  const second = new Client(harness.port).send(sent);
  await until(() => held(harness) === 1);
  harness.log.refuse = new Error('a bug');
  harness.log.letGo();
  harness.log.isStopped = true;
  expect(await first.reply()).toMatchObject({ status: 503 });
  await until(() => harness.log.waiting === 1);
  harness.log.refuse = undefined;
  harness.log.letGo();
  expect(await second.reply()).toMatchObject({ status: 204 });
  expect(await texts(harness)).toEqual(['a']);
  first.close();
  second.close();
});

test('stores a complete request whose client has gone, and knows its repeat', async () => {
  await using harness = await startIngest();
  harness.log.isStopped = true;
  const client = new Client(harness.port).send(request(a, { 'X-Request-Id': 'x', ...shuttle }));
  await until(() => harness.log.waiting === 1);
  client.close();
  await new Promise((resolve) => setImmediate(resolve));
  harness.log.letGo();
  expect(await post(harness, a, { 'X-Request-Id': 'x', ...shuttle })).toMatchObject({
    status: 204,
  });
  expect(await texts(harness)).toEqual(['a']);
});

test('forgets a request whose client goes away before its end', async () => {
  await using harness = await startIngest();
  const client = new Client(harness.port).send(request(a).subarray(0, -3));
  await until(() => client.socket.bytesWritten > 0);
  await harness.clock.advance(100);
  client.close();
  while ((await harness.metric('spillway_ingest_requests_total', { outcome: 'gone' })) !== 1) {
    await new Promise((resolve) => setImmediate(resolve));
  }
  expect(await harness.metric('spillway_ingest_in_flight_bytes')).toBe(0);
  expect(await harness.records()).toEqual([]);
});

const overload = new DependencyError('BUS_OVERLOADED', 'too much');

test('holds a request while the log does not take it, and stores it when it does', async () => {
  await using harness = await startIngest();
  harness.log.refuse = overload;
  const client = new Client(harness.port).send(request(a, shuttle));
  await until(() => held(harness) === 1);
  await harness.clock.advance(2000);
  expect(client.received).toBe('');
  harness.log.refuse = undefined;
  await harness.clock.advance(100);
  expect(await client.reply()).toMatchObject({ status: 204 });
  expect(await texts(harness)).toEqual(['a']);
  client.close();
});

test('closes the connection of log-shuttle without an answer after the hold, and tells others 503', async () => {
  await using harness = await startIngest();
  harness.log.refuse = overload;
  const shuttled = new Client(harness.port).send(request(a, shuttle));
  const other = new Client(harness.port).send(request(b));
  await until(() => held(harness) === 2);
  await harness.clock.advance(3900);
  expect([shuttled.isClosed, other.received]).toEqual([false, '']);
  await harness.clock.advance(200);
  expect(await shuttled.reply()).toBeUndefined();
  const reply = await other.reply();
  expect(reply).toMatchObject({ status: 503 });
  expect(reply?.headers.get('retry-after')).toBe('5');
  expect(await harness.metric('spillway_ingest_requests_total', { outcome: 'closed' })).toBe(1);
  expect(await harness.metric('spillway_ingest_requests_total', { outcome: 'overloaded' })).toBe(1);
  expect(await harness.metric('spillway_ingest_in_flight_bytes')).toBe(0);
  other.close();
});

test('holds requests unread while the log has a problem', async () => {
  await using harness = await startIngest();
  harness.log.down = 'no space left';
  const client = new Client(harness.port).send(request(a));
  await until(() => held(harness) === 1);
  harness.log.down = undefined;
  await harness.clock.advance(100);
  expect(await client.reply()).toMatchObject({ status: 204 });
  client.close();
});

test('gives up an append that hangs, and still knows the request when it ends after all', async () => {
  await using harness = await startIngest();
  harness.log.isStopped = true;
  const sent = request(a, { ...shuttle, 'X-Request-Id': 'x' });
  const client = new Client(harness.port).send(sent);
  await until(() => harness.log.waiting === 1);
  await harness.clock.advance(4100);
  expect(await client.reply()).toBeUndefined();
  const again = new Client(harness.port).send(sent);
  await until(() => held(harness) === 1);
  harness.log.letGo();
  expect(await again.reply()).toMatchObject({ status: 204 });
  expect(await texts(harness)).toEqual(['a']);
  again.close();
});

test('takes a request for given up as not sent: its lines do not count for the rate', async () => {
  await using harness = await startIngest({ appBurstMessagesMax: 3, appMessagesPerSecond: 0.001 });
  harness.log.refuse = overload;
  const client = new Client(harness.port).send(request(a + b, shuttle));
  await until(() => held(harness) === 1);
  await harness.clock.advance(4100);
  expect(await client.reply()).toBeUndefined();
  harness.log.refuse = undefined;
  const reply = await post(harness, a + b + c);
  expect(reply?.headers.has('spillway-rejected')).toBe(false);
});

test('cuts a slow body off: 408, and for log-shuttle no answer', async () => {
  await using harness = await startIngest();
  const other = new Client(harness.port).send(request(a).subarray(0, -3));
  const shuttled = new Client(harness.port).send(request(a, shuttle).subarray(0, -3));
  await until(() => harness.directory.asked > 0 && held(harness) === 0 && open(harness) === 2);
  await harness.clock.advance(19_900);
  expect([other.received, shuttled.isClosed]).toEqual(['', false]);
  await harness.clock.advance(200);
  expect(await other.reply()).toMatchObject({ status: 408 });
  expect(await shuttled.reply()).toBeUndefined();
  expect(await harness.metric('spillway_ingest_requests_total', { outcome: 'slow' })).toBe(2);
  await harness.clock.advance(2100);
  await until(() => other.isClosed && open(harness) === 0);
});

function open({ ingest }: Harness): number {
  return ingest.handler.openRequests;
}

test('lets one app hold an eighth of the room, and others pass', async () => {
  await using harness = await startIngest({ bytesInFlightMax: 8 * 50_000 });
  harness.log.isStopped = true;
  const body = frame('x'.repeat(5000)).repeat(8);
  const first = new Client(harness.port).send(request(body));
  await until(() => harness.log.waiting === 1);
  const second = new Client(harness.port).send(request(body));
  await until(() => held(harness) === 1);
  harness.directory.owner = { app: 2 as never, appName: 'other' };
  const other = new Client(harness.port).send(request(a, { Authorization: basic('t.other') }));
  await until(() => harness.log.waiting === 2);
  harness.log.letGo();
  expect(await first.reply()).toMatchObject({ status: 204 });
  expect(await other.reply()).toMatchObject({ status: 204 });
  await harness.clock.advance(100);
  expect(await second.reply()).toMatchObject({ status: 204 });
  for (const client of [first, second, other]) client.close();
});

test('counts a compressed body by what it becomes: it waits for room before it is stored', async () => {
  await using harness = await startIngest({ bytesInFlightMax: 8 * 50_000 });
  harness.log.isStopped = true;
  const gzip = { 'Content-Encoding': 'gzip' };
  const body = frame('x'.repeat(5000)).repeat(8);
  const first = new Client(harness.port).send(request(gzipSync(body), gzip));
  await until(() => harness.log.waiting === 1);
  const second = new Client(harness.port).send(request(gzipSync(body), gzip));
  await until(() => held(harness) === 1);
  expect(await harness.metric('spillway_ingest_in_flight_bytes')).toBeLessThan(50_000);
  harness.log.letGo();
  expect(await first.reply()).toMatchObject({ status: 204 });
  await harness.clock.advance(100);
  expect(await second.reply()).toMatchObject({ status: 204 });
  for (const client of [first, second]) client.close();
  expect((await harness.records()).map(({ lines }) => lines)).toEqual([8, 8]);
  expect(await harness.metric('spillway_ingest_in_flight_bytes')).toBe(0);
});

test('ends even when all bodies of an app are stuck half-way for want of room', async () => {
  await using harness = await startIngest({ bytesInFlightMax: 8 * 20_000 });
  const body = frame('x'.repeat(5000)).repeat(4);
  const sent = Array.from({ length: 4 }, () => request(body));
  const clients = sent.map((bytes) => new Client(harness.port).send(bytes.subarray(0, 1000)));
  await until(() => open(harness) === 4);
  clients.forEach((client, i) => client.send((sent[i] as Buffer).subarray(1000)));
  for (let i = 0; i < 30; i++) {
    await new Promise((resolve) => setImmediate(resolve));
    await harness.clock.advance(50);
  }
  for (const client of clients) {
    expect(await client.reply()).toMatchObject({ status: 204 });
    client.close();
  }
  expect(await harness.metric('spillway_ingest_in_flight_bytes')).toBe(0);
});

test('recognises after a restart what was stored before, also of half a request', async () => {
  await using before = await startIngest();
  const large = frame('x'.repeat(1000)).repeat(600);
  await post(before, a, { 'X-Request-Id': 'small' });
  await post(before, large, { 'X-Request-Id': 'large' });
  const stored = await storedIn(before.log);
  const log = new GatedLog();
  await log.append(stored.slice(0, 2).map(({ record }) => record));
  async function* recent(): AsyncIterable<(typeof stored)[number]> {
    yield* await Promise.resolve(stored.slice(0, 2));
  }
  await using after = await startIngest({}, { log, recent: recent() });
  expect(await post(after, a, { 'X-Request-Id': 'small' })).toMatchObject({ status: 204 });
  expect(await post(after, large, { 'X-Request-Id': 'large' })).toMatchObject({ status: 204 });
  expect(await post(after, large, { 'X-Request-Id': 'large' })).toMatchObject({ status: 204 });
  const records = await after.records();
  expect(records.map(({ part }) => part)).toEqual([1, 1, 2, 3]);
  expect(Buffer.concat(records.map(({ frames }) => frames)).toString()).toBe(a + large);
  expect(records.map(({ rejected }) => rejectedTotal(rejected))).toEqual([0, 0, 0, 0]);
});

test('finishes what is on its way when it closes, and admits nothing more', async () => {
  await using harness = await startIngest();
  harness.log.isStopped = true;
  const storing = new Client(harness.port).send(request(a));
  await until(() => harness.log.waiting === 1);
  harness.log.down = 'no space left';
  const waiting = new Client(harness.port).send(request(b, shuttle));
  await until(() => held(harness) === 1);
  const closing = harness.ingest.handler.close(new AbortController().signal);
  expect(await waiting.reply()).toBeUndefined();
  expect(await post(harness, c)).toMatchObject({ status: 503 });
  expect(await post(harness, c, shuttle)).toBeUndefined();
  harness.log.letGo();
  const reply = await storing.reply();
  expect(reply).toMatchObject({ status: 204 });
  expect(reply?.headers.get('connection')).toBe('close');
  await closing;
  expect(await texts(harness)).toEqual(['a']);
  storing.close();
});

test('an idle door has no timer', async () => {
  class CountingClock extends FakeClock {
    sweeps = 0;

    override every(ms: number, task: () => void): () => void {
      return super.every(ms, () => {
        if (ms < 1000) this.sweeps++;
        task();
      });
    }
  }
  const clock = new CountingClock();
  await using harness = await startIngest({}, { clock });
  await post(harness, frame('a'));
  await clock.advance(1000);
  const swept = clock.sweeps;
  expect(swept).toBeGreaterThan(0);
  await clock.advance(10_000);
  expect(clock.sweeps).toBe(swept);
  await post(harness, frame('b'));
  await clock.advance(1000);
  expect(clock.sweeps).toBeGreaterThan(swept);
});

import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { withoutOrigin } from '../../src/controller/http-rules.ts';
import { basic, scratchController } from './scratch-controller.ts';

test.each([
  ['/api/apps?x=1', '/api/apps?x=1'],
  ['http://api.gigalixir.com/api/apps?x=http://y/z', '/api/apps?x=http://y/z'],
  ['HTTPS://user@host:8080/', '/'],
  ['http://host', '/'],
  ['http://host?x=1', '/?x=1'],
  ['*', '*'],
])('the target %s is the path %s', (target, path) => expect(withoutOrigin(target)).toBe(path));

test('a request through a proxy is answered like any other', async () => {
  await using api = await scratchController();
  const auth = await api.account('a@ex.com');
  const answer = await api.call('GET', 'http://api.gigalixir.com/api/users', { auth });
  expect(answer.status).toBe(200);
});

test('no error has another shape, and every answer has the safe headers', async () => {
  await using api = await scratchController();
  const auth = await api.account('a@ex.com');
  const post = (raw: string, headers = {}) => api.call('POST', '/api/apps', { auth, raw, headers });
  const cases = [
    [404, await api.call('GET', '/')],
    [404, await api.call('GET', '/api/apps/x/status', { auth })],
    [404, await api.call('POST', '/api/payment_methods', { auth, body: {} })],
    [401, await api.call('GET', '/api/apps')],
    [405, await api.call('PUT', '/api/apps', { auth, body: {} })],
    [405, await api.call('DELETE', '/api/login')],
    [400, await post('{"unique_name":')],
    [422, await post('[]')],
    [422, await post('"text"')],
    [415, await post('unique_name=x', { 'content-type': 'application/x-www-form-urlencoded' })],
    [415, await post('{}', { 'content-type': 'text/plain' })],
    [413, await post(JSON.stringify({ unique_name: 'x'.repeat(70_000) }))],
    [400, await api.call('GET', '/api/apps/%zz', { auth })],
  ] as const;
  for (const [status, answer] of cases) {
    expect(answer.status).toBe(status);
    expect(answer.json.errors?.['']).toEqual([expect.any(String)]);
    expect(answer.headers['content-type']).toBe('application/json; charset=utf-8');
    expect(answer.headers['x-content-type-options']).toBe('nosniff');
    expect(answer.headers['x-latest-version']).toBeUndefined();
  }
});

test('what this installation does not have says so, a wrong method says which are right', async () => {
  await using api = await scratchController();
  const auth = await api.account('a@ex.com');
  const absent = await api.call('GET', '/api/apps/x/configs?secret=1', { auth });
  expect(absent.json.errors?.['']).toEqual([
    'GET /api/apps/x/configs is not available on this installation.',
  ]);
  const wrong = await api.call('PATCH', '/api/apps/x/drains', { auth, body: {} });
  expect(wrong.headers.allow).toBe('DELETE, GET, HEAD, POST');
});

test('a JSON type without a body is fine with every method, as is HEAD', async () => {
  await using api = await scratchController();
  const auth = await api.account('a@ex.com');
  expect((await api.call('GET', '/api/apps', { auth })).status).toBe(200);
  const created = await api.call('POST', '/api/apps', { auth });
  expect(created.status).toBe(201);
  const { unique_name } = created.json.data as { unique_name: string };
  expect((await api.call('DELETE', `/api/apps/${unique_name}`, { auth })).status).toBe(200);
  const zero = { 'content-length': '0' };
  expect((await api.call('DELETE', '/api/ssh_keys', { auth, headers: zero })).status).toBe(422);
  const head = await api.call('HEAD', '/api/apps', { auth });
  expect([head.status, head.text]).toEqual([200, '']);
});

test('a trailing slash and parameters of the type make no difference', async () => {
  await using api = await scratchController();
  const auth = await api.account('a@ex.com');
  const headers = { 'content-type': 'application/json; charset=utf-8' };
  const body = { unique_name: 'app' };
  expect((await api.call('POST', '/api/apps/', { auth, body, headers })).status).toBe(201);
  expect((await api.call('GET', '/api/apps/app/', { auth })).status).toBe(200);
});

test('repeated Authorization and Host headers are refused', async () => {
  await using api = await scratchController();
  const auth = `Authorization: ${basic(await api.account('a@ex.com'))}`;
  const ask = (...lines: string[]) => raw(api.port, ['GET /api/users HTTP/1.1', ...lines]);
  expect(await ask('Host: x', auth)).toMatch(/^HTTP\/1\.1 200 /);
  expect(await ask('Host: x', auth, auth)).toMatch(/^HTTP\/1\.1 400 /);
  expect(await ask('Host: x', 'host: y', auth)).toMatch(/^HTTP\/1\.1 400 /);
});

test('a body without an end in sight is refused at its bound, and the connection with it', async () => {
  await using api = await scratchController();
  const lines = ['POST /api/signup HTTP/1.1', 'Host: x', 'Content-Type: application/json'];
  const chunk = `10000\r\n${' '.repeat(0x10000)}\r\n`;
  const answer = await raw(
    api.port,
    [...lines, 'Transfer-Encoding: chunked'],
    `${chunk}1\r\n \r\n`,
    false,
  );
  expect(answer).toMatch(/^HTTP\/1\.1 413 /);
  expect(answer).toMatch(/connection: close/i);
});

test('requests are counted by class of status', async () => {
  await using api = await scratchController();
  await api.call('GET', '/api/apps');
  await api.call('PUT', '/api/users/reset_password', { body: { email: 'a@ex.com' } });
  const text = await api.metrics.getSingleMetricAsString('spillway_controller_requests_total');
  for (const line of ['{status="2xx"} 1', '{status="4xx"} 1', '{status="5xx"} 0']) {
    expect(text).toContain(`spillway_controller_requests_total${line}`);
  }
});

function raw(port: number, lines: readonly string[], body = '', ends = true): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const close = ends ? ['Connection: close'] : [];
    const head = [...lines, ...close].join('\r\n');
    const socket = connect(port, '127.0.0.1', () => socket.write(`${head}\r\n\r\n${body}`));
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('close', () => resolve(Buffer.concat(chunks).toString()));
    socket.on('error', (error) => (chunks.length > 0 ? undefined : reject(error)));
  });
}

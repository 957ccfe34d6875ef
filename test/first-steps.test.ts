import { spawn } from 'node:child_process';
import { once } from 'node:events';
import { createServer, type IncomingMessage } from 'node:http';
import type { AddressInfo } from 'node:net';
import { text } from 'node:stream/consumers';
import { expect, onTestFinished, test } from 'vitest';
import { firstSteps } from '../src/first-steps.ts';

test('the three commands, typed into a shell, make an account, an app and a line', async () => {
  const requests: string[] = [];
  const server = createServer((request, response) => {
    void reply(request).then((body) => response.end(body));
  });
  async function reply(request: IncomingMessage): Promise<string> {
    const body = await text(request);
    const user = Buffer.from(request.headers.authorization?.slice(6) ?? '', 'base64').toString();
    requests.push(`${request.method} ${request.url} ${user} ${body}`);
    if (body.includes('"email"')) return '{"data":{"uuid":"u-1"}}';
    if (body.includes('"tier"')) return '{"data":{"email":"me+x@example.com","key":"k-1"}}';
    return request.url?.endsWith('logplex_token') ? '{"data":{"token":"t.1","url":"x"}}' : '{}';
  }
  server.listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());

  const { port } = server.address() as AddressInfo;
  const shell = spawn('sh', ['-ec', firstSteps(`http://127.0.0.1:${port}`).slice(3).join('\n')], {
    stdio: ['pipe', 'ignore', 'inherit'],
  });
  shell.stdin.end('me+x@example.com\n123456\ncorrect horse\n');
  expect(await once(shell, 'close')).toEqual([0, null]);

  expect(requests.slice(0, 6)).toEqual([
    'POST /api/signup  {"email":"me+x@example.com"}',
    'POST /api/signup  {"uuid":"u-1","confirmation_code":"123456"}',
    'POST /api/signup  {"uuid":"u-1","password":"correct horse"}',
    'POST /api/signup  {"uuid":"u-1","tier":"FREE"}',
    'POST /api/apps me+x@example.com:k-1 {"unique_name":"hello"}',
    'GET /api/apps/hello/logplex_token me+x@example.com:k-1 ',
  ]);
  const [, count = '', frame = ''] =
    /^POST \/logs token:t\.1 (\d+) (.*)$/s.exec(requests[6] ?? '') ?? [];
  expect(frame).toMatch(/^<190>1 \S+ host hello web\.1 - - Hello, Spillway\.$/);
  expect(Number(count)).toBe(Buffer.byteLength(frame));
  expect(requests[7]).toBe(
    'GET /api/apps/hello/logs?num_lines=10&follow=False me+x@example.com:k-1 ',
  );
});

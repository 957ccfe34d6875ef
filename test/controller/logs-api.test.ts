import { connect } from 'node:net';
import { expect, test } from 'vitest';
import { DependencyError } from '../../src/core/errors.ts';
import {
  basic,
  scratchController,
  type Scratch,
  type ScratchOverrides,
} from './scratch-controller.ts';

test.each([
  ['', { numLines: 'default', follow: false }],
  ['?follow=True', { numLines: 'default', follow: true }],
  ['?follow=False&num_lines=50', { numLines: 50, follow: false }],
  ['?follow=true&num_lines=0', { numLines: 0, follow: true }],
  ['?follow=1', { numLines: 'default', follow: true }],
  ['?num_lines=99999999999999999999', { numLines: Number.MAX_SAFE_INTEGER, follow: false }],
])('a request with %j is handed to the streams as %j', async (query, wanted) => {
  await using api = await scratchController();
  const { auth } = await withApp(api);
  const answer = await api.call('GET', `/api/apps/app/logs${query}`, { auth });
  expect(answer.status).toBe(200);
  expect(answer.text).toBe('a line\n');
  expect(answer.headers['x-content-type-options']).toBe('nosniff');
  expect(answer.headers['content-encoding']).toBeUndefined();
  expect(api.streams.asked).toEqual([{ app: 1, ...wanted }]);
});

test.each([
  'num_lines=-1',
  'num_lines=abc',
  'num_lines=',
  'num_lines=1.5',
  'num_lines=+5',
  'follow=x',
])('%s is 422 before any stream', async (query) => {
  await using api = await scratchController();
  const { auth } = await withApp(api);
  const answer = await api.call('GET', `/api/apps/app/logs?${query}`, { auth });
  expect(answer.status).toBe(422);
  expect(answer.json.errors?.['']).toHaveLength(1);
  expect(api.streams.asked).toEqual([]);
});

test('a stream learns when its reader has lost the right to it', async () => {
  await using api = await scratchController();
  const { auth: owner } = await withApp(api);
  const reader = await api.account('reader@ex.com');
  const body = { email: 'reader@ex.com' };
  await api.call('POST', '/api/apps/app/permissions', { auth: owner, body });
  await api.call('GET', '/api/apps/app/logs', { auth: reader });
  const [authorised = () => Promise.resolve(false)] = api.streams.authorised;
  await expect(authorised()).resolves.toBe(true);
  await api.call('DELETE', '/api/apps/app/permissions', { auth: owner, body });
  await expect(authorised()).resolves.toBe(false);
});

test('a stream is not cut off because the registry cannot answer, but is when its app is another', async () => {
  await using api = await scratchController();
  const { auth } = await withApp(api);
  await api.call('GET', '/api/apps/app/logs', { auth });
  await api.call('DELETE', '/api/apps/app', { auth });
  await api.call('POST', '/api/apps', { auth, body: { unique_name: 'app' } });
  await api.call('GET', '/api/apps/app/logs', { auth });
  const [first, second] = api.streams.authorised;
  expect([await first?.(), await second?.()]).toEqual([false, true]);
  await api.registry.close(AbortSignal.timeout(1000));
  expect(await second?.()).toBe(true);
});

test('a log that cannot be read is 503, one that breaks later ends without a proper end', async () => {
  const unreadable = new DependencyError('BUS_UNAVAILABLE', 'no');
  await using early = await withStreams({ stream: () => Promise.reject(unreadable) });
  const answer = await early.api.call('GET', '/api/apps/app/logs', { auth: early.auth });
  expect(answer.status).toBe(503);
  expect(answer.json.errors?.['']).toHaveLength(1);

  await using late = await withStreams({
    stream: (_wanted, res) => {
      res.writeHead(200);
      res.write('a line\n');
      return Promise.reject(unreadable);
    },
  });
  const broken = late.api.call('GET', '/api/apps/app/logs', { auth: late.auth });
  await expect(broken).rejects.toThrow(/aborted|hang up|ECONNRESET/);
});

test('HEAD starts no stream', async () => {
  await using api = await scratchController();
  const { auth } = await withApp(api);
  const answer = await api.call('HEAD', '/api/apps/app/logs', { auth });
  expect(answer.status).toBe(405);
  expect(api.streams.asked).toEqual([]);
});

test('a websocket is let in by the same rules, on the same path', async () => {
  await using api = await scratchController();
  const { auth } = await withApp(api);
  const upgrade = (target: string, headers: readonly string[]) =>
    raw(api.port, [`GET ${target} HTTP/1.1`, 'Host: x', 'Connection: Upgrade', ...headers]);
  const websocket = ['Upgrade: websocket', `Authorization: ${basic(auth)}`];
  const path = '/api/apps/app/logs';
  expect(await upgrade(`${path}?source=web+1`, websocket)).toMatch(
    /^HTTP\/1\.1 101 .*query source=web\+1$/s,
  );
  expect(await upgrade(`http://api.gigalixir.com${path}`, websocket)).toMatch(/^HTTP\/1\.1 101 /);
  const anonymous = await upgrade(path, ['Upgrade: websocket']);
  expect(anonymous).toMatch(/^HTTP\/1\.1 401 Unauthorized\r\nwww-authenticate: Basic/);
  expect(anonymous).toMatch(/\r\n\r\n{"errors":{"":\[".*"\]}}$/);
  expect(await upgrade('/api/apps/other/logs', websocket)).toMatch(/^HTTP\/1\.1 401 /);
  expect(await upgrade('/api/apps', websocket)).toMatch(/^HTTP\/1\.1 404 /);
  expect(await upgrade('/api/apps/%zz/logs', websocket)).toMatch(/^HTTP\/1\.1 400 /);
  expect(await upgrade(path, ['Upgrade: h2c', websocket[1] ?? ''])).toMatch(/^HTTP\/1\.1 426 /);
  expect(await upgrade(path, [...websocket, websocket[1] ?? ''])).toMatch(/^HTTP\/1\.1 400 /);
});

async function withApp(api: Scratch) {
  const auth = await api.account('a@ex.com');
  await api.call('POST', '/api/apps', { auth, body: { unique_name: 'app' } });
  return { auth };
}

async function withStreams(streams: Pick<NonNullable<ScratchOverrides['logStreams']>, 'stream'>) {
  const api = await scratchController({ logStreams: { ...streams, upgrade: () => undefined } });
  return {
    api,
    ...(await withApp(api)),
    [Symbol.asyncDispose]: () => api[Symbol.asyncDispose](),
  };
}

/** Sends lines as they are and answers with all that comes back. */
function raw(port: number, lines: readonly string[]): Promise<string> {
  return new Promise((resolve, reject) => {
    const chunks: Buffer[] = [];
    const socket = connect(port, '127.0.0.1', () => socket.write(`${lines.join('\r\n')}\r\n\r\n`));
    socket.on('data', (chunk) => chunks.push(chunk));
    socket.on('end', () => resolve(Buffer.concat(chunks).toString()));
    socket.on('error', reject);
  });
}

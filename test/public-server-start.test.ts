import { once } from 'node:events';
import { request, type IncomingMessage } from 'node:http';
import { expect, test } from 'vitest';
import { PublicServer } from '../src/public-server.ts';
import { FakeClock } from './support/fake-clock.ts';

const options = {
  listen: { host: '127.0.0.1', port: 0 },
  connectionsMax: 100,
  headersMsMax: 10_000,
  requestMsMax: 60_000,
  keepAliveMsMax: 75_000,
  startHoldMsMax: 4000,
  startRetryAfterMs: 5000,
};

async function ask(url: string, path: string, agent: string): Promise<string> {
  const req = request(url + path, {
    method: 'POST',
    headers: { 'user-agent': agent },
    agent: false,
  });
  req.end('a body');
  try {
    const [response] = (await once(req, 'response')) as [IncomingMessage];
    response.resume();
    return `${response.statusCode} ${response.headers['retry-after'] ?? ''}`.trim();
  } catch {
    return 'closed';
  }
}

test('until it opens requests wait; those who waited too long are turned away, log-shuttle without a status', async () => {
  const clock = new FakeClock();
  const door = new PublicServer(options, { clock });
  const url = await door.listen();
  const early = [
    ask(url, '/logs', 'log-shuttle/0.22'),
    ask(url, '/logs', 'curl/8'),
    ask(url, '/api/apps', 'log-shuttle/0.22'),
  ];
  await new Promise((resolve) => setTimeout(resolve, 200));
  await clock.advance(4000);
  expect(await Promise.all(early)).toEqual(['closed', '503 5', '503 5']);
  const late = [ask(url, '/logs', 'log-shuttle/0.22'), ask(url, '/api/apps', 'curl/8')];
  await new Promise((resolve) => setTimeout(resolve, 200));
  const answer = (status: number) => ({
    handle: (_req: unknown, res: { writeHead(status: number): { end(): void } }) =>
      res.writeHead(status).end(),
    upgrade: () => undefined,
  });
  door.open({ logs: answer(204), api: answer(200) });
  expect(await Promise.all(late)).toEqual(['204', '200']);
  await clock.advance(10_000);
  await door.close();
});

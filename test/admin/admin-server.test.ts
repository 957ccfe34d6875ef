import { connect } from 'node:net';
import { once } from 'node:events';
import { Registry } from 'prom-client';
import { expect, onTestFinished, test } from 'vitest';
import { registerProcessMetrics } from '../../src/admin/admin-metrics.ts';
import { createAdminServer, type AdminServer } from '../../src/admin/admin-server.ts';
import { silentLogger } from '../support/silent-logger.ts';

test('is alive whatever its parts say, and ready only when all of them can serve', async () => {
  const parts = new Map<string, string | undefined>([['bus', undefined]]);
  const { url } = await serve({ parts: () => parts });

  let response = await fetch(`${url}/readyz`);
  expect(response.status).toBe(200);
  expect(await response.json()).toEqual({ status: 'ready', parts: { bus: 'ok' } });

  parts.set('router', 'disk full');
  response = await fetch(`${url}/readyz?verbose`);
  expect(response.status).toBe(503);
  expect(response.headers.get('content-type')).toBe('application/json');
  expect(await response.json()).toEqual({
    status: 'not ready',
    parts: { bus: 'ok', router: 'disk full' },
  });

  expect((await fetch(`${url}/healthz`)).status).toBe(200);
});

test('shows the metrics of its registry, and what is running', async () => {
  const registry = new Registry();
  registerProcessMetrics(registry, { version: '1.2.3', node: 'v24.0.0' });
  const { url } = await serve({ registry });
  const response = await fetch(`${url}/metrics`);
  expect(response.headers.get('content-type')).toContain('text/plain; version=0.0.4');
  const body = await response.text();
  expect(body).toContain('spillway_build_info{version="1.2.3",node="v24.0.0"} 1');
  expect(body).toContain('nodejs_eventloop_lag_seconds');
  expect(body).toContain('process_resident_memory_bytes');
});

test('lists as many of the largest backlogs as are asked for, once there are drains', async () => {
  const asked: number[] = [];
  let isStarted = false;
  const { url } = await serve({
    topDrains: (count) => {
      asked.push(count);
      return isStarted ? Promise.resolve([{ drain: 1 }]) : undefined;
    },
  });
  expect((await fetch(`${url}/drains`)).status).toBe(503);
  isStarted = true;
  expect(await (await fetch(`${url}/drains?top=3`)).json()).toEqual({ drains: [{ drain: 1 }] });
  expect(asked).toEqual([20, 3]);
  for (const top of ['', 'x', '-1', '99999', '1.5']) {
    expect((await fetch(`${url}/drains?top=${top}`)).status).toBe(400);
  }
});

test('has nothing else', async () => {
  const { url } = await serve({});
  expect((await fetch(`${url}/`)).status).toBe(404);
  expect((await fetch(`${url}/healthz/`)).status).toBe(404);
  expect((await fetch(`${url}/healthz`, { method: 'POST' })).status).toBe(405);
  const head = await fetch(`${url}/healthz`, { method: 'HEAD' });
  expect([head.status, await head.text()]).toEqual([200, '']);
});

test('a part that throws is a 500, not the end of the server', async () => {
  const { url } = await serve({
    parts: () => {
      throw new Error('a bug');
    },
  });
  expect((await fetch(`${url}/readyz`)).status).toBe(500);
  expect((await fetch(`${url}/healthz`)).status).toBe(200);
});

test('a port that is taken is an error to whoever starts it', async () => {
  const { url } = await serve({});
  const port = Number(new URL(url).port);
  await expect(serve({ port })).rejects.toThrow('EADDRINUSE');
});

test('closes at once when told that waiting is over, with a client in the middle of a request', async () => {
  const server = await serve({});
  const client = connect(Number(new URL(server.url).port), '127.0.0.1');
  const closed = new Promise((resolve) => client.on('error', resolve).on('close', resolve));
  client.write('GET /healthz HTTP/1.1\r\n');
  await once(client, 'connect');
  await server.close(AbortSignal.abort());
  await closed;
});

async function serve(options: {
  registry?: Registry;
  parts?: () => ReadonlyMap<string, string | undefined>;
  topDrains?: (count: number) => Promise<readonly object[]> | undefined;
  port?: number;
}): Promise<AdminServer> {
  const { registry = new Registry(), parts = () => new Map(), port = 0 } = options;
  const { topDrains = () => undefined } = options;
  const server = await createAdminServer(
    { listen: { host: '127.0.0.1', port }, connectionsMax: 10, requestMsMax: 5_000 },
    { registry, parts, topDrains, logger: silentLogger },
  );
  onTestFinished(() => server.close(AbortSignal.abort()));
  return server;
}

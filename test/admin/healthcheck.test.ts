import { execFile } from 'node:child_process';
import { once } from 'node:events';
import { readFileSync } from 'node:fs';
import { createServer } from 'node:http';
import type { AddressInfo } from 'node:net';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';

test('the image is healthy while /healthz answers 200 where SPILLWAY_ADMIN_LISTEN says', async () => {
  let status = 200;
  const asked: (string | undefined)[] = [];
  const server = createServer((request, response) => {
    asked.push(request.url);
    response.writeHead(status).end();
  }).listen(0, '127.0.0.1');
  await once(server, 'listening');
  onTestFinished(() => void server.close());
  const { port } = server.address() as AddressInfo;

  expect(await healthcheck(`0.0.0.0:${port}`)).toBe(0);
  status = 503;
  expect(await healthcheck(`0.0.0.0:${port}`)).toBe(1);
  expect(await healthcheck('127.0.0.1:1')).toBe(1);
  expect(asked).toEqual(['/healthz', '/healthz']);
});

/** Runs the command of the Dockerfile's HEALTHCHECK; resolves with its exit code. */
function healthcheck(adminListen: string): Promise<number> {
  const dockerfile = readFileSync(join(import.meta.dirname, '../../Dockerfile'), 'utf8');
  const [, command = ''] = /^HEALTHCHECK .*?CMD (\[.*?\])$/ms.exec(dockerfile) ?? [];
  const [, ...args] = JSON.parse(command.replace('\\\n', '')) as string[];
  return new Promise((resolve) => {
    const env = { PATH: process.env['PATH'], SPILLWAY_ADMIN_LISTEN: adminListen };
    const child = execFile(process.execPath, args, { env }, () => resolve(child.exitCode ?? -1));
  });
}

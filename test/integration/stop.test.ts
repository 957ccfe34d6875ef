import { mkdtemp, rm } from 'node:fs/promises';
import { connect } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { PlatformClient } from '../support/platform-client.ts';
import { SpillwayProcess } from '../support/spillway-process.ts';

test('a body that never ends keeps no tail from its proper end, and the process from none', async () => {
  const dataDir = await mkdtemp(join(tmpdir(), 'spillway-stop-'));
  await using spillway = await SpillwayProcess.start({
    dataDir,
    env: { SPILLWAY_SHUTDOWN_SECONDS: '4' },
  });
  const client = await PlatformClient.signUp(spillway.publicUrl, dataDir);
  const token = await client.createApp('demo');
  const tail = await client.request('GET', '/api/apps/demo/logs?num_lines=0&follow=True');
  const { hostname, port } = new URL(spillway.publicUrl);
  const sender = connect(Number(port), hostname).on('error', () => undefined);
  const head = `POST /logs HTTP/1.1\r\nHost: x\r\nAuthorization: Bearer ${token}\r\n`;
  sender.write(`${head}Content-Type: application/logplex-1\r\nExpect: 100-continue\r\n`);
  sender.write('Content-Length: 1000\r\n\r\n60 <1>');
  // It is being read: only then is it something that a stop waits for.
  await new Promise((resolve) => sender.once('data', resolve));
  const ended = spillway.end('SIGTERM');
  // Without its final chunk this would be an error.
  expect(await tail.text()).toBe('');
  expect(await ended).toBe(0);
  expect(spillway.log.map((entry) => entry['msg'])).not.toContain('process.stop_deadline');
  sender.destroy();
  await rm(dataDir, { recursive: true });
});

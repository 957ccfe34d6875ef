import { spawn, type ChildProcessByStdio } from 'node:child_process';
import { once } from 'node:events';
import { fileURLToPath } from 'node:url';
import type { Readable, Writable } from 'node:stream';

const model = fileURLToPath(new URL('log-shuttle-model.ts', import.meta.url));

/** The real sender when LOG_SHUTTLE names its binary, else our model of it; the test's output says which. */
export const logShuttleName = process.env['LOG_SHUTTLE'] ? 'log-shuttle' : 'a model of log-shuttle';

/** Starts it as a container does: one outlet, five lines a batch. */
export function startLogShuttle(
  logsUrl: string,
  names: { app?: string; pod?: string },
): { child: ChildProcessByStdio<Writable, null, Readable>; ended: Promise<number> } {
  const args = [
    `-logs-url=${logsUrl}`,
    ...(names.app === undefined ? [] : ['-appname', names.app]),
    ...(names.pod === undefined ? [] : ['-hostname', names.pod, '-procid', names.pod]),
    '-num-outlets',
    '1',
    '-batch-size=5',
    '-back-buff=5000',
  ];
  const binary = process.env['LOG_SHUTTLE'];
  const child = binary
    ? spawn(binary, args, { stdio: ['pipe', 'ignore', 'pipe'] })
    : spawn(process.execPath, [model, ...args], { stdio: ['pipe', 'ignore', 'pipe'] });
  child.stdin.on('error', () => undefined);
  return { child, ended: once(child, 'exit').then(([code]) => Number(code)) };
}

import { execFile } from 'node:child_process';
import { expect, test } from 'vitest';

test('one kill under load, receivers that misbehave: every promise holds, and the faults were real', async () => {
  const { code, output } = await new Promise<{ code: unknown; output: string }>((resolve) => {
    execFile(process.execPath, ['test/chaos/run.ts', 'smoke'], (error, stdout, stderr) =>
      resolve({ code: error?.code ?? 0, output: stdout + stderr }),
    );
  });
  expect(code, output).toBe(0);
  expect(output).toContain('**passed**');
});

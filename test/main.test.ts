import { execFile } from 'node:child_process';
import { readFileSync } from 'node:fs';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { variables } from '../src/config/variables.ts';

const root = join(import.meta.dirname, '..');

test('--help names every command and variable on stdout', async () => {
  const { code, stdout, stderr } = await spillway(['--help']);
  expect([code, stderr]).toEqual([0, '']);
  for (const { name } of Object.values(variables)) expect(stdout).toContain(`  ${name}\n`);
  expect(stdout).toContain('spillway check-config');
});

test('--version is that of the package', async () => {
  const { version } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8')) as {
    version: string;
  };
  expect(await spillway(['--version'])).toEqual({ code: 0, stdout: `${version}\n`, stderr: '' });
});

test.each([['strat'], ['check-config', 'now'], ['--port']])(
  'refuses the command %s',
  async (...args) => {
    const { code, stdout, stderr } = await spillway(args);
    expect([code, stdout]).toEqual([64, '']);
    expect(stderr).toContain('spillway --help');
  },
);

test('check-config approves of an environment that can be started with', async () => {
  const { code, stdout } = await spillway(['check-config'], { SPILLWAY_LISTEN: '127.0.0.1:0' });
  expect([code, stdout]).toEqual([0, 'the configuration is valid\n']);
});

test('check-config refuses a name that is not ours, beside every other problem', async () => {
  const env = { SPILLWAY_LISTN: 'x', SPILLWAY_PARTITIONS: 'x' };
  const { code, stdout, stderr } = await spillway(['check-config'], env);
  expect([code, stdout]).toEqual([78, '']);
  expect(stderr).toContain('did you mean SPILLWAY_LISTEN?');
  expect(stderr).toContain('SPILLWAY_PARTITIONS is not a whole number');
});

test.each([
  ['/nowhere/ca.pem', 'cannot be read (ENOENT)'],
  [join(root, 'package.json'), 'is not a file of PEM certificates'],
])('check-config and a start refuse the CA file %s alike', async (file, problem) => {
  const env = {
    SPILLWAY_EGRESS_CA_FILE: file,
    SPILLWAY_LISTEN: '127.0.0.1:0',
    SPILLWAY_ADMIN_LISTEN: '127.0.0.1:0',
    SPILLWAY_DATA_DIR: await mkdtemp(join(tmpdir(), 'spillway-main-')),
  };
  for (const command of ['check-config', 'start']) {
    const { code, stderr } = await spillway([command], env);
    expect(code).toBe(78);
    expect(stderr).toContain(`SPILLWAY_EGRESS_CA_FILE ${problem}: ${file}`);
  }
  await rm(env.SPILLWAY_DATA_DIR, { recursive: true });
});

test('does not start with an environment that is wrong', async () => {
  const { code, stdout, stderr } = await spillway([], { NODE_TLS_REJECT_UNAUTHORIZED: '0' });
  expect([code, stdout]).toEqual([78, '']);
  expect(stderr).toContain('NODE_TLS_REJECT_UNAUTHORIZED=0 turns certificate checks off');
});

function spillway(
  args: readonly string[],
  env: Record<string, string> = {},
): Promise<{ code: number; stdout: string; stderr: string }> {
  const main = join(root, 'src/main.ts');
  const options = { cwd: root, env: { PATH: process.env['PATH'], ...env } };
  return new Promise((resolve) => {
    const child = execFile(process.execPath, [main, ...args], options, (_, stdout, stderr) =>
      resolve({ code: child.exitCode ?? -1, stdout, stderr }),
    );
  });
}

import { spawnSync } from 'node:child_process';
import { mkdir, readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { temporaryDirectory } from '../support/embedded.ts';
import { cutPower } from './power-cut.ts';
import { Random } from './random.ts';

const unsynced = join(import.meta.dirname, 'unsynced.ts');

/** Runs a program with the watch on its files; `log` is the path of a file that is watched. */
function run(directory: string, program: string): void {
  const { stderr, status } = spawnSync(
    process.execPath,
    ['--import', unsynced, '--input-type=module', '-e', program],
    {
      encoding: 'utf8',
      env: { ...process.env, CHAOS_SYNCED_NOTES: join(directory, 'notes'), FILES: directory },
    },
  );
  expect([status, stderr]).toEqual([0, '']);
}

const opened = `
  import { open, rename } from 'node:fs/promises';
  const at = (name) => process.env.FILES + '/log/' + name;
`;

test('a power cut takes what was not fsynced, and nothing else', async () => {
  await using directory = await temporaryDirectory();
  await mkdir(join(directory.path, 'log'));
  run(
    directory.path,
    `${opened}
    const file = await open(at('a'), 'w+');
    await file.writev([Buffer.from('durable')], 0);
    await file.datasync();
    await file.writev([Buffer.from(' or not')], 7);`,
  );
  // Another process, without an fsync of its own: what the first one left is no more durable than it was.
  run(
    directory.path,
    `${opened}
    const file = await open(at('a'), 'r+');
    await file.writev([Buffer.from('!')], 14);`,
  );
  const random = new Random(1);
  for (let i = 0; i < 20; i++) await cutPower(join(directory.path, 'notes'), random);
  const left = await readFile(join(directory.path, 'log/a'));
  expect(left.subarray(0, 7).toString()).toBe('durable');
  expect(left.length).toBeLessThan(15);
});

test('a file keeps what it had under its new name', async () => {
  await using directory = await temporaryDirectory();
  await mkdir(join(directory.path, 'log'));
  run(
    directory.path,
    `${opened}
    const file = await open(at('b.tmp'), 'w+');
    await file.writev([Buffer.from('one')], 0);
    await file.datasync();
    await rename(at('b.tmp'), at('b'));
    await file.writev([Buffer.from('two')], 3);
    await file.datasync();`,
  );
  expect(await cutPower(join(directory.path, 'notes'), new Random(1))).toBe(0);
  expect(await readFile(join(directory.path, 'log/b'), 'utf8')).toBe('onetwo');
});

test('a full disk takes a part and says ENOSPC', async () => {
  await using directory = await temporaryDirectory();
  await mkdir(join(directory.path, 'log'));
  await writeFile(join(directory.path, 'notes.fault'), '60000');
  run(
    directory.path,
    `${opened}
    const file = await open(at('c'), 'w+');
    process.kill(process.pid, 'SIGUSR2');
    await new Promise((resolve) => setTimeout(resolve, 100));
    const error = await file.writev([Buffer.from('in'), Buffer.from('out')], 0).catch((e) => e);
    if (error.code !== 'ENOSPC') throw new Error('no failure');`,
  );
  expect(await readFile(join(directory.path, 'log/c'), 'utf8')).toBe('in');
});

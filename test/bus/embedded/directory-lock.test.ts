import { mkdir } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { lockDirectory } from '../../../src/bus/embedded/directory-lock.ts';
import { temporaryDirectory } from '../../support/embedded.ts';

test('keeps a second owner out, until the first gives it up', async () => {
  await using directory = await temporaryDirectory();
  const lock = lockDirectory(directory.path);
  expect(() => lockDirectory(directory.path)).toThrow(/another process is using/);
  lock.release();
  lockDirectory(directory.path).release();
});

test('says what the system says about a directory that cannot be written', async () => {
  await using directory = await temporaryDirectory();
  // Root may write everywhere; nobody can write a file where a directory is.
  await mkdir(join(directory.path, 'lock'));
  expect(() => lockDirectory(directory.path)).toThrow(
    expect.objectContaining({ code: 'EISDIR', syscall: 'open' }),
  );
});

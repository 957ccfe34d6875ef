import { closeSync, fsyncSync, mkdirSync, openSync, truncateSync } from 'node:fs';
import { dirname, join, resolve } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { AppError } from '../../core/errors.ts';

/**
 * Keeps a second process out of a data directory. An open exclusive SQLite transaction is a file lock of the
 * operating system: the kernel gives it up when the process ends, however it ends, and it holds between
 * containers that share the volume. Node has no file locks of its own.
 * @throws AppError DATA_DIR_LOCKED while another process has it, and the system's error when it cannot be written.
 */
export function lockDirectory(directory: string): { release(): void } {
  makeDurably(directory);
  const path = join(directory, 'lock');
  // SQLite would only say that it cannot open it; the system says why.
  closeSync(openSync(path, 'a', 0o600));
  try {
    return lock(path);
  } catch (error) {
    if (!isDamaged(error)) throw locked(directory, error);
  }
  // Who can read it so far holds no lock against us, and there is nothing in it.
  truncateSync(path);
  try {
    return lock(path);
  } catch (error) {
    throw locked(directory, error);
  }
}

/** With the directories it lies in, so that a power cut does not take it with all that is synced in it. */
function makeDurably(directory: string): void {
  const path = resolve(directory);
  const first = mkdirSync(path, { recursive: true, mode: 0o700 });
  if (first === undefined) return;
  for (let made = path; made.length >= first.length; made = dirname(made)) {
    const parent = openSync(dirname(made), 'r');
    fsyncSync(parent);
    closeSync(parent);
  }
}

function lock(path: string): { release(): void } {
  const database = new DatabaseSync(path, { timeout: 0 });
  try {
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    throw error;
  }
  return { release: () => database.close() };
}

const notADatabase = 26;
const corruptDatabase = 11;

function isDamaged(error: unknown): boolean {
  const { errcode } = error as { errcode?: number };
  return errcode === notADatabase || errcode === corruptDatabase;
}

function locked(directory: string, cause: unknown): AppError {
  return new AppError('DATA_DIR_LOCKED', `another process is using ${directory}`, { cause });
}

import { closeSync, mkdirSync, openSync } from 'node:fs';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { AppError } from '../../core/errors.ts';

/**
 * Keeps a second process out of a data directory. An open exclusive SQLite transaction is a file lock of the
 * operating system: the kernel gives it up when the process ends, however it ends, and it holds between
 * containers that share the volume. Node has no file locks of its own.
 * @throws AppError DATA_DIR_LOCKED while another process has it, and the system's error when it cannot be written.
 */
export function lockDirectory(directory: string): { release(): void } {
  mkdirSync(directory, { recursive: true, mode: 0o700 });
  const file = join(directory, 'lock');
  // SQLite would only say that it cannot open it; the system says why.
  closeSync(openSync(file, 'a', 0o600));
  const database = new DatabaseSync(file, { timeout: 0 });
  try {
    database.exec('PRAGMA journal_mode = MEMORY; BEGIN EXCLUSIVE');
  } catch (error) {
    database.close();
    throw new AppError('DATA_DIR_LOCKED', `another process is using ${directory}`, {
      cause: error,
    });
  }
  return { release: () => database.close() };
}

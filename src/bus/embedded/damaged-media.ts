import { isDeviceFailure } from './disk-errors.ts';
import type { StorageFile } from './storage.ts';

const sectorBytes = 4096;

/**
 * Fills `into` from byte `at` like `file.read`. Where the disk cannot give its bytes back (EIO), zeros stand for
 * them, which no checksum accepts: one bad sector costs what lies in it and not the whole file. Then
 * `onDamage` is called.
 */
export async function readAround(
  file: StorageFile,
  into: Buffer,
  at: number,
  onDamage?: () => void,
): Promise<number> {
  try {
    return await file.read(into, at);
  } catch (error) {
    if (!isDeviceFailure(error)) throw error;
  }
  onDamage?.();
  const length = Math.max(0, Math.min(into.length, (await file.size()) - at));
  for (let done = 0; done < length;) {
    const end = Math.min(length, done + sectorBytes - ((at + done) % sectorBytes));
    await readOrZeros(file, into.subarray(done, end), at + done);
    done = end;
  }
  return length;
}

async function readOrZeros(file: StorageFile, into: Buffer, at: number): Promise<void> {
  try {
    await file.read(into, at);
  } catch (error) {
    if (!isDeviceFailure(error)) throw error;
    into.fill(0);
  }
}

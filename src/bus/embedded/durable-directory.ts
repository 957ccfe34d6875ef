import { posix } from 'node:path';
import type { Storage } from './storage.ts';

/** Makes a directory, and those it lies in, so that a power cut does not take it with all that is synced in it. */
export async function makeDurableDirectory(storage: Storage, path: string): Promise<void> {
  await storage.makeDirectory(path);
  for (let inner = path; inner !== '.'; inner = posix.dirname(inner)) {
    await storage.syncDirectory(posix.dirname(inner));
  }
}

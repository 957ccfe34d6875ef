import { open, stat, truncate } from 'node:fs/promises';
import type { Random } from './random.ts';
import { readSlots } from './synced-slots.ts';

/**
 * Takes from the files of a process that is dead what it had not fsynced, as a power cut does: all of it, or all
 * but a piece, which may be zeros. Returns how many bytes went.
 */
export async function cutPower(notesPath: string, random: Random): Promise<number> {
  let taken = 0;
  for (const [path, { synced }] of readSlots(notesPath)) {
    const size = await stat(path).then(
      (stats) => stats.size,
      () => undefined,
    );
    if (size === undefined || size <= synced) continue;
    const kept = synced + random.below(2) * random.below(size - synced);
    await truncate(path, kept);
    if (random.fraction() < 0.5) await zero(path, synced, kept);
    taken += size - synced;
  }
  return taken;
}

async function zero(path: string, from: number, to: number): Promise<void> {
  const file = await open(path, 'r+');
  await file.write(Buffer.alloc(to - from), 0, to - from, from);
  await file.close();
}

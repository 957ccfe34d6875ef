import { readFileSync } from 'node:fs';

/** A file, and up to which byte it has been fsynced. Fixed places, so that a note is one small write. */
export interface Slot {
  readonly index: number;
  synced: number;
}

export const slotBytes = 512;
/** Where in a slot the length stands; the path comes before, ended by NUL. */
export const syncedAt = 504;

export function encodeSlot(path: string, synced: number): Buffer {
  const slot = Buffer.alloc(slotBytes);
  if (Buffer.byteLength(path) >= syncedAt) throw new RangeError(`too long a path: ${path}`);
  slot.write(path);
  slot.writeDoubleLE(synced, syncedAt);
  return slot;
}

export function readSlots(notesPath: string): Map<string, Slot> {
  const notes = readFileSync(notesPath);
  const slots = new Map<string, Slot>();
  for (let at = 0; at + slotBytes <= notes.length; at += slotBytes) {
    const path = notes.toString('utf8', at, notes.indexOf(0, at));
    slots.set(path, { index: at / slotBytes, synced: notes.readDoubleLE(at + syncedAt) });
  }
  return slots;
}

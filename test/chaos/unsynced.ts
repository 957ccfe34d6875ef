/**
 * Preloaded into Spillway (`node --import`), and to be told from outside what a power cut may take: notes, file by
 * file, up to where the log and the checkpoints have been fsynced, and makes the disk fail when asked. The notes
 * are plain writes into one file, which outlives `kill -9`; `power-cut.ts` reads them.
 */
import { closeSync, openSync, readFileSync, statSync, writeSync } from 'node:fs';
import promises, { type FileHandle } from 'node:fs/promises';
import { syncBuiltinESMExports } from 'node:module';
import { sep } from 'node:path';
import { encodeSlot, readSlots, slotBytes, syncedAt } from './synced-slots.ts';

const notesPath = process.env['CHAOS_SYNCED_NOTES'] ?? '';
const faultPath = `${notesPath}.fault`;
closeSync(openSync(notesPath, 'a'));
const notes = openSync(notesPath, 'r+');
const slots = readSlots(notesPath);

/** The open files by their present names. */
const names = new Map<string, { path: string }>();

let fullUntilMs = 0;
let isBroken = false;
process.on('SIGUSR2', () => {
  const fault = readFileSync(faultPath, 'utf8');
  if (fault === 'eio') isBroken = true;
  else fullUntilMs = performance.now() + Number(fault);
});

const { open, rename, unlink } = promises;

function isOfLog(path: string): boolean {
  return path.includes(`${sep}log${sep}`) || path.includes(`${sep}checkpoints${sep}`);
}

function note(path: string, synced: number): void {
  let slot = slots.get(path);
  if (!slot) {
    slot = { index: slots.size, synced };
    slots.set(path, slot);
    writeSync(notes, encodeSlot(path, synced), 0, slotBytes, slot.index * slotBytes);
    return;
  }
  slot.synced = synced;
  const length = Buffer.allocUnsafe(8);
  length.writeDoubleLE(synced);
  writeSync(notes, length, 0, 8, slot.index * slotBytes + syncedAt);
}

function failure(code: string): Error {
  return Object.assign(new Error(`${code}: by the harness`), { code });
}

function watch(handle: FileHandle, name: { path: string }, bytes: number): void {
  let end = bytes;
  const writev = handle.writev.bind(handle);
  const datasync = handle.datasync.bind(handle);
  const truncate = handle.truncate.bind(handle);
  const sync = async (): Promise<void> => {
    const upTo = end;
    if (isBroken) throw failure('EIO');
    await datasync();
    note(name.path, upTo);
  };
  const write = async (
    buffers: readonly NodeJS.ArrayBufferView[],
    at: number,
  ): Promise<unknown> => {
    if (performance.now() < fullUntilMs) {
      // A full disk takes what still fits.
      const [first] = buffers;
      if (first) await writev([first], at);
      end = Math.max(end, at + (first?.byteLength ?? 0));
      throw failure('ENOSPC');
    }
    const written = await writev(buffers, at);
    end = Math.max(end, at + written.bytesWritten);
    return written;
  };
  const cut = async (length: number): Promise<void> => {
    await truncate(length);
    end = length;
    note(name.path, Math.min(length, slots.get(name.path)?.synced ?? 0));
  };
  Object.assign(handle, { datasync: sync, sync, writev: write, truncate: cut });
}

Object.assign(promises, {
  open: async (path: string, flags: string, mode?: number) => {
    const handle = await open(path, flags, mode);
    if (!isOfLog(path) || flags === 'r') return handle;
    // What a process before us wrote is on the disk only as far as it was fsynced.
    if (flags.startsWith('w') || !slots.has(path)) note(path, 0);
    const name = { path };
    names.set(path, name);
    watch(handle, name, statSync(path).size);
    return handle;
  },
  rename: async (from: string, to: string) => {
    await rename(from, to);
    if (!isOfLog(to)) return;
    note(to, slots.get(from)?.synced ?? 0);
    // Whoever has it open goes on under the new name.
    const name = names.get(from);
    if (name) name.path = to;
    names.delete(from);
    if (name) names.set(to, name);
  },
  unlink: async (path: string) => {
    await unlink(path);
    if (isOfLog(path)) note(path, 0);
  },
});
syncBuiltinESMExports();

import { crc32c } from '@node-rs/crc32';
import type { Entry } from '../bus.ts';

/** What an append of a checkpoint says of one key. */
export type Change = [partition: number, epoch: number, key: string, entry: Entry];

// Chunk: magic(4) length(4) crc32c(4) JSON; a chunk that is not whole or not right is skipped. The first chunk of a
// journal says how many bytes of chunks were written together with it and synced before the file got its name.
const magic = 0x4b435053; // "SPCK"
const chunkHeadBytes = 12;
const changesPerChunk = 32;
const magicBytes = Buffer.from([
  magic & 0xff,
  (magic >> 8) & 0xff,
  (magic >> 16) & 0xff,
  magic >>> 24,
]);

/** One write of changes that came together. */
export function encodeChunk(content: readonly Change[] | { bytes: number }): Buffer {
  const json = Buffer.from(JSON.stringify(content));
  const chunk = Buffer.allocUnsafe(chunkHeadBytes + json.length);
  chunk.writeUInt32LE(magic, 0);
  chunk.writeUInt32LE(json.length, 4);
  chunk.writeUInt32LE(crc32c(json), 8);
  json.copy(chunk, chunkHeadBytes);
  return chunk;
}

/** Many small chunks, so that damage costs few entries; one of them in each turn of the loop. */
export async function encodeChunks(changes: Iterable<Change>): Promise<Buffer> {
  const chunks: Buffer[] = [];
  let next: Change[] = [];
  for (const change of changes) {
    next.push(change);
    if (next.length < changesPerChunk) continue;
    chunks.push(encodeChunk(next));
    next = [];
    await new Promise((resolve) => setImmediate(resolve));
  }
  if (next.length > 0) chunks.push(encodeChunk(next));
  return Buffer.concat(chunks);
}

/** A whole journal. */
export async function encodeAll(changes: Iterable<Change>): Promise<Buffer> {
  const together = await encodeChunks(changes);
  return Buffer.concat([encodeChunk({ bytes: together.length }), together]);
}

/**
 * Calls `apply` for each change of each whole chunk. Damaged: something that was complete is missing, and not
 * only what was being appended at the end.
 */
export function decodeAll(
  bytes: Buffer,
  apply: (change: Change) => void,
): { skippedBytes: number; isDamaged: boolean } {
  let skippedBytes = 0;
  let skippedAt = -1;
  let isDamaged = false;
  let togetherEnd = Infinity;
  for (let at = 0; at < bytes.length;) {
    const json = chunkAt(bytes, at);
    if (json) {
      isDamaged ||= skippedAt >= 0;
      const chunk = JSON.parse(json.toString()) as readonly Change[] | { bytes: number };
      at += chunkHeadBytes + json.length;
      if ('bytes' in chunk) togetherEnd = at + chunk.bytes;
      else for (const change of chunk) apply(change);
      continue;
    }
    if (skippedAt < 0) skippedAt = at;
    const next = bytes.indexOf(magicBytes, at + 1);
    const end = next < 0 ? bytes.length : next;
    skippedBytes += end - at;
    at = end;
  }
  isDamaged ||= bytes.length < togetherEnd || (skippedAt >= 0 && skippedAt < togetherEnd);
  return { skippedBytes, isDamaged };
}

function chunkAt(bytes: Buffer, at: number): Buffer | undefined {
  if (at + chunkHeadBytes > bytes.length || bytes.readUInt32LE(at) !== magic) return undefined;
  const length = bytes.readUInt32LE(at + 4);
  // Zeros have the checksum of nothing.
  if (length === 0) return undefined;
  if (at + chunkHeadBytes + length > bytes.length) return undefined;
  const json = bytes.subarray(at + chunkHeadBytes, at + chunkHeadBytes + length);
  return crc32c(json) === bytes.readUInt32LE(at + 8) ? json : undefined;
}

import { crc32 } from 'node:zlib';
import type { AppId } from '../core/ids.ts';
import { requestKeyBytes } from '../core/record.ts';

/** What makes two requests the same one. */
export interface RequestFacts {
  readonly app: AppId;
  readonly requestId: string;
  /** Of the body, inflated. */
  readonly bytes: number;
  readonly frames: number;
  readonly lastFrame: Buffer;
}

/**
 * Gateways reuse ids, so the id alone does not do; log-shuttle stamps its own loss line, the first of a batch,
 * anew on each try, so the whole body does not do either.
 *
 * The app stands in the key as it is: whoever looks for a collision finds it among their own requests. So a fast
 * hash does for the rest: app (6 bytes), CRC of the last frame (4), hash of id, length and count (6).
 */
export function requestKey(facts: RequestFacts): Buffer {
  const key = Buffer.allocUnsafe(requestKeyBytes);
  key.writeUIntLE(facts.app, 0, 6);
  key.writeUInt32LE(crc32(facts.lastFrame), 6);
  writeHash(key, facts.requestId, facts.bytes, facts.frames);
  return key;
}

/** Two lanes of multiply and xor with murmur3's finaliser, as in cyrb53. */
function writeHash(key: Buffer, id: string, bytes: number, frames: number): void {
  let a = 0xdeadbeef ^ bytes;
  let b = 0x41c6ce57 ^ frames;
  for (let i = 0; i < id.length; i++) {
    const code = id.charCodeAt(i);
    a = Math.imul(a ^ code, 0x9e3779b1);
    b = Math.imul(b ^ code, 0x5f356495);
  }
  const high = finish(a, b);
  const low = finish(b, high);
  key.writeUInt16LE(low & 0xffff, 10);
  key.writeUInt32LE(high >>> 0, 12);
}

function finish(a: number, b: number): number {
  let h = Math.imul(a ^ (a >>> 16), 0x85ebca6b);
  h ^= Math.imul(b ^ (b >>> 13), 0xc2b2ae35);
  return h ^ (h >>> 16);
}

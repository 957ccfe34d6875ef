import {
  claimedBytes,
  decodeEnvelope,
  envelopedBytesMax,
  recordMagic,
  segmentHeaderBytes,
  type Envelope,
} from './segment-format.ts';
import type { Segment } from './segment.ts';

export interface ScanResult {
  /** Byte after the last valid record. */
  readonly validEnd: number;
  /** Bytes of the file. */
  readonly size: number;
  /** Where the regions begin that are no records and have a valid record after them: corruption, not a torn tail. */
  readonly corruptAt: readonly number[];
}

/** Bytes of the segment's file; fewer where it ends. */
export type ReadBytes = (at: number, length: number) => Promise<Buffer>;

const windowBytes = 4 * 1024 * 1024;
const magicBytes = Buffer.alloc(4);
magicBytes.writeUInt32LE(recordMagic, 0);

/**
 * Walks all valid records of a segment file, in order. What lies between two valid records and is none is
 * skipped and counted; what lies after the last one is a torn tail, which the caller may cut off.
 */
export async function scanSegment(
  segment: Segment,
  onRecord: (envelope: Envelope, fileAt: number) => void,
  read: ReadBytes = (at, length) => segment.readBytes(at, length),
): Promise<ScanResult> {
  const scan = new Scan(segment.salt, onRecord);
  const size = segment.bytes;
  let windowAt = segmentHeaderBytes;
  while (windowAt < size) {
    const window = await read(windowAt, windowBytes);
    const isLast = windowAt + window.length >= size;
    const used = scan.window(window, windowAt, isLast);
    if (isLast || window.length === 0) break;
    windowAt += used;
  }
  return { validEnd: scan.validEnd, size, corruptAt: scan.corruptAt };
}

/** The first valid record in `bytes` at or after `from`; undefined when there is none. */
export function nextEnvelopeAt(bytes: Buffer, from: number, salt: number): number | undefined {
  for (let at = bytes.indexOf(magicBytes, from); at >= 0; at = bytes.indexOf(magicBytes, at + 1)) {
    if (decodeEnvelope(bytes, at, salt)) return at;
  }
  return undefined;
}

class Scan {
  validEnd = segmentHeaderBytes;
  readonly corruptAt: number[] = [];
  #lastOrdinal = -1;
  #skipping = false;
  readonly #salt: number;
  readonly #onRecord: (envelope: Envelope, fileAt: number) => void;

  constructor(salt: number, onRecord: (envelope: Envelope, fileAt: number) => void) {
    this.#salt = salt;
    this.#onRecord = onRecord;
  }

  /** Reads the records that begin in the window; returns how many bytes of it need not be seen again. */
  window(bytes: Buffer, windowAt: number, isLast: boolean): number {
    let at = 0;
    while (at < bytes.length) {
      if (!isLast && at + envelopedBytesMax > bytes.length && at > 0) return at;
      const envelope = this.#envelopeAt(bytes, at);
      if (envelope) {
        this.#take(envelope, windowAt + at);
        at += envelope.bytes;
        continue;
      }
      this.#skipping = true;
      const next = bytes.indexOf(magicBytes, at + 1);
      if (next < 0)
        return isLast ? bytes.length : Math.max(at, bytes.length - magicBytes.length + 1);
      at = next;
    }
    return at;
  }

  #envelopeAt(bytes: Buffer, at: number): Envelope | undefined {
    if (claimedBytes(bytes, at) === undefined) return undefined;
    const envelope = decodeEnvelope(bytes, at, this.#salt);
    return envelope && envelope.ordinal > this.#lastOrdinal ? envelope : undefined;
  }

  #take(envelope: Envelope, fileAt: number): void {
    if (this.#skipping) this.corruptAt.push(this.validEnd);
    this.#skipping = false;
    this.#lastOrdinal = envelope.ordinal;
    this.validEnd = fileAt + envelope.bytes;
    this.#onRecord(envelope, fileAt);
  }
}

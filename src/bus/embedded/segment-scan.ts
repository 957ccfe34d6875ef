import {
  claimedBytes,
  decodeEnvelope,
  envelopedBytesMax,
  recordMagic,
  segmentHeaderBytes,
  type Envelope,
} from './segment-format.ts';
import type { StorageFile } from './storage.ts';

export interface ScanResult {
  /** Byte after the last valid record. */
  readonly validEnd: number;
  /** Invalid regions that have a valid record after them: corruption, not a torn tail. */
  readonly corruptRegions: number;
}

const windowBytes = 4 * 1024 * 1024;
const magicBytes = Buffer.alloc(4);
magicBytes.writeUInt32LE(recordMagic, 0);

/**
 * Walks all valid records of a segment file, in order. What lies between two valid records and is none is
 * skipped and counted; what lies after the last one is a torn tail, which the caller may cut off.
 */
export async function scanSegment(
  file: StorageFile,
  onRecord: (envelope: Envelope, fileAt: number) => void,
): Promise<ScanResult> {
  const scan = new Scan(onRecord);
  const size = await file.size();
  const window = Buffer.allocUnsafe(Math.min(windowBytes, Math.max(size, 1)));
  let windowAt = segmentHeaderBytes;
  while (windowAt < size) {
    const length = await file.read(window, windowAt);
    const isLast = windowAt + length >= size;
    const used = scan.window(window.subarray(0, length), windowAt, isLast);
    if (isLast || length === 0) break;
    windowAt += used;
  }
  return { validEnd: scan.validEnd, corruptRegions: scan.corruptRegions };
}

class Scan {
  validEnd = segmentHeaderBytes;
  corruptRegions = 0;
  #lastOrdinal = -1;
  #skipping = false;
  readonly #onRecord: (envelope: Envelope, fileAt: number) => void;

  constructor(onRecord: (envelope: Envelope, fileAt: number) => void) {
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
    const envelope = decodeEnvelope(bytes, at);
    return envelope && envelope.ordinal > this.#lastOrdinal ? envelope : undefined;
  }

  #take(envelope: Envelope, fileAt: number): void {
    if (this.#skipping) this.corruptRegions++;
    this.#skipping = false;
    this.#lastOrdinal = envelope.ordinal;
    this.validEnd = fileAt + envelope.bytes;
    this.#onRecord(envelope, fileAt);
  }
}

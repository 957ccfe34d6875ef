import {
  decodeEnvelope,
  encodeSegmentHeader,
  type Envelope,
  type SegmentHeader,
} from './segment-format.ts';
import { segmentHeaderBytes } from './segment-format.ts';
import type { SegmentIndex } from './segment-index.ts';
import type { Storage, StorageFile } from './storage.ts';

/** One file of the log: the active one at the end, which grows, or a sealed one. */
export class Segment {
  readonly base: number;
  readonly path: string;
  file: StorageFile;
  /** Bytes that are fsynced and may be read. */
  bytes: number;
  /** The index of the active segment; a sealed segment's is in the index cache or in its file. */
  active: SegmentIndex | undefined;
  /** The largest receipt time in a sealed segment, ms since 1970. */
  maxTimeMs = 0;
  #readers = 0;
  #retired = false;

  constructor(base: number, path: string, file: StorageFile, bytes: number) {
    this.base = base;
    this.path = path;
    this.file = file;
    this.bytes = bytes;
  }

  /** Reads whole records that lie together in the file. The views share one buffer. */
  async readRecords(
    places: readonly { fileAt: number; bytes: number }[],
  ): Promise<(Envelope | undefined)[]> {
    const first = places[0];
    const last = places.at(-1);
    if (!first || !last) return [];
    const bytes = await this.readBytes(first.fileAt, last.fileAt + last.bytes - first.fileAt);
    return places.map((place) => decodeEnvelope(bytes, place.fileAt - first.fileAt));
  }

  async readBytes(at: number, length: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafeSlow(Math.max(0, Math.min(length, this.bytes - at)));
    this.#readers++;
    try {
      return bytes.subarray(0, await this.file.read(bytes, at));
    } finally {
      this.#readers--;
      await this.#closeWhenUnused();
    }
  }

  /** Goes on with a copy that has taken the file's place. Only before anybody reads. */
  async replaceFile(copy: StorageFile): Promise<void> {
    const old = this.file;
    this.file = copy;
    await old.close();
  }

  /** The file is gone or about to go; it is closed once nobody reads it. */
  async retire(): Promise<void> {
    this.#retired = true;
    await this.#closeWhenUnused();
  }

  async #closeWhenUnused(): Promise<void> {
    if (!this.#retired || this.#readers > 0) return;
    this.#retired = false;
    await this.file.close();
  }
}

export function segmentPath(directory: string, base: number): string {
  return `${directory}/${String(base).padStart(15, '0')}.log`;
}

export function indexPath(segment: string): string {
  return segment.replace(/\.log$/, '.idx');
}

/** The base offset in a segment file's name; undefined for other files. */
export function baseOf(name: string): number | undefined {
  const match = /^(\d{15})\.log$/.exec(name);
  return match ? Number(match[1]) : undefined;
}

/** Makes a new, empty segment file whose existence and header are durable. */
export async function createSegment(
  storage: Storage,
  directory: string,
  header: SegmentHeader,
): Promise<Segment> {
  const path = segmentPath(directory, header.base);
  const file = await storage.open(path, 'create');
  try {
    await file.write([encodeSegmentHeader(header)], 0);
    await file.sync();
    await storage.syncDirectory(directory);
  } catch (error) {
    await file.close();
    // The active segment goes on beyond this base: a start must not take the file for its successor.
    await storage.unlink(path).catch(() => undefined);
    throw error;
  }
  return new Segment(header.base, path, file, segmentHeaderBytes);
}

import { readAround } from './damaged-media.ts';
import { encodeSegmentHeader, segmentHeaderBytes, type SegmentHeader } from './segment-format.ts';
import type { SegmentIndex } from './segment-index.ts';
import type { Storage, StorageFile } from './storage.ts';

/** One file of the log: the active one at the end, which grows, or a sealed one. */
export class Segment {
  readonly base: number;
  readonly path: string;
  /** See `SegmentHeader.salt`. */
  readonly salt: number;
  file: StorageFile;
  /** Bytes that are fsynced and may be read. */
  bytes: number;
  /** The index of the active segment; a sealed segment's is in the index cache or in its file. */
  active: SegmentIndex | undefined;
  /** The largest receipt time in a sealed segment, ms since 1970. */
  maxTimeMs = 0;
  /** The segment before it; undefined for the oldest. */
  older: Segment | undefined;
  /** Retention has taken it: its files go, or have gone. */
  isDropped = false;
  #readers = 0;
  #retired = false;

  constructor(
    place: { readonly base: number; readonly path: string; readonly salt: number },
    file: StorageFile,
    bytes: number,
  ) {
    this.base = place.base;
    this.path = place.path;
    this.salt = place.salt;
    this.file = file;
    this.bytes = bytes;
  }

  /** Sectors that the disk cannot give back are zeros. */
  readBytes(at: number, length: number): Promise<Buffer> {
    const bytes = Buffer.allocUnsafeSlow(Math.max(0, Math.min(length, this.bytes - at)));
    return this.readInto(bytes, at);
  }

  /** As `readBytes`; what is read is the beginning of `into`. */
  async readInto(into: Buffer, at: number, onDamage?: () => void): Promise<Buffer> {
    this.#readers++;
    try {
      return into.subarray(0, await readAround(this.file, into, at, onDamage));
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

/**
 * Makes a new, empty segment whose header is durable. It has its name at once or not at all, so that a failure
 * leaves no segment behind; the name is durable after a `syncDirectory` of its directory.
 */
export async function createSegment(
  storage: Storage,
  directory: string,
  header: SegmentHeader,
): Promise<Segment> {
  const path = segmentPath(directory, header.base);
  const file = await writeDraft(storage, `${path}.tmp`, async (draft) => {
    await draft.write([encodeSegmentHeader(header)], 0);
    await draft.sync();
    await storage.rename(`${path}.tmp`, path);
  });
  return new Segment({ base: header.base, path, salt: header.salt }, file, segmentHeaderBytes);
}

/** Makes the file `path` and fills it; should that fail, it is closed and removed, so that it takes no space. */
export async function writeDraft(
  storage: Storage,
  path: string,
  fill: (file: StorageFile) => Promise<void>,
): Promise<StorageFile> {
  const file = await storage.open(path, 'create');
  try {
    await fill(file);
    return file;
  } catch (error) {
    await file.close().catch(() => undefined);
    await storage.unlink(path).catch(() => undefined);
    throw error;
  }
}

import { crc32c } from '@node-rs/crc32';
import type { AppId } from '../../core/ids.ts';
import { readUint64, writeUint64 } from './segment-format.ts';

/** Where each app's records lie in one segment; the same for the active segment and for a sealed one. */
export interface SegmentIndex {
  readonly base: number;
  /** Offset after the last record. */
  readonly end: number;
  /** Smallest and largest receipt time, ms since 1970; 0 while empty. */
  readonly minTimeMs: number;
  readonly maxTimeMs: number;
  find(app: AppId): AppRun | undefined;
  apps(): Iterable<AppId>;
  /** A byte of the file at or before the record at `offset`, at which a record starts. */
  fileAtOrBefore(offset: number): number;
}

/** One app's records in one segment, in order. */
export interface AppRun {
  /** Lines of the app before the segment. */
  readonly firstSeq: number;
  readonly lines: number;
  readonly records: number;
  /** Offset of the app's last record before the segment; -1 for none. */
  readonly previousOffset: number;
  offset(i: number): number;
  fileAt(i: number): number;
  /** Bytes in the file, envelope included. */
  bytes(i: number): number;
  linesBefore(i: number): number;
  timeMs(i: number): number;
}

/** The first of the run's records at or after `offset`; `run.records` when there is none. */
export function firstAtOrAfter(run: AppRun, offset: number): number {
  let low = 0;
  let high = run.records;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (run.offset(middle) < offset) low = middle + 1;
    else high = middle;
  }
  return low;
}

const columns = 5;
/** A mark in the sparse table for about every so many bytes of records. */
const markEveryBytes = 64 * 1024;
const noPrevious = 0xffff_ffff_ffff;

/** The index of the active segment, grown record by record. */
export class IndexBuilder implements SegmentIndex {
  readonly base: number;
  end: number;
  minTimeMs = 0;
  maxTimeMs = 0;
  readonly #runs = new Map<AppId, GrowingRun>();
  readonly #marks: number[] = [];
  #markedAt = -markEveryBytes;

  constructor(base: number) {
    this.base = base;
    this.end = base;
  }

  add(entry: {
    app: AppId;
    offset: number;
    fileAt: number;
    bytes: number;
    lines: number;
    appSeq: number;
    previousOffset: number;
    timeMs: number;
  }): void {
    if (this.minTimeMs === 0 || entry.timeMs < this.minTimeMs) this.minTimeMs = entry.timeMs;
    if (entry.timeMs > this.maxTimeMs) this.maxTimeMs = entry.timeMs;
    if (entry.fileAt >= this.#markedAt + markEveryBytes) {
      this.#marks.push(entry.offset, entry.fileAt);
      this.#markedAt = entry.fileAt;
    }
    let run = this.#runs.get(entry.app);
    if (!run) {
      run = new GrowingRun(entry.appSeq, entry.previousOffset);
      this.#runs.set(entry.app, run);
    }
    run.cells.push(
      entry.offset,
      entry.fileAt,
      entry.bytes,
      entry.appSeq - run.firstSeq,
      entry.timeMs,
    );
    run.lines = entry.appSeq - run.firstSeq + entry.lines;
    this.end = entry.offset + 1;
  }

  find(app: AppId): AppRun | undefined {
    return this.#runs.get(app);
  }

  apps(): Iterable<AppId> {
    return this.#runs.keys();
  }

  /** Apps that had lines before the segment, although it is not known where. */
  *appsWithoutPrevious(): Iterable<AppId> {
    for (const [app, run] of this.#runs) {
      if (run.firstSeq > 0 && run.previousOffset < 0) yield app;
    }
  }

  setPrevious(app: AppId, offset: number): void {
    const run = this.#runs.get(app);
    if (run) run.previousOffset = offset;
  }

  fileAtOrBefore(offset: number): number {
    return lastMark(this.#marks.length / 2, (i) => this.#marks[i] ?? 0, offset);
  }

  /** The index file's bytes, for a segment of so many bytes. */
  encode(segmentBytes: number): Buffer {
    const apps = [...this.#runs.entries()].sort(([a], [b]) => a - b);
    const records = apps.reduce((sum, [, run]) => sum + run.records, 0);
    const layout = layoutOf(apps.length, this.#marks.length / 2, records);
    const bytes = Buffer.alloc(layout.totalBytes);
    bytes.writeUInt32LE(indexMagic, 0);
    bytes.writeUInt32LE(indexVersion, 4);
    writeUint64(bytes, this.base, 8);
    writeUint64(bytes, this.end, 16);
    writeUint64(bytes, this.minTimeMs, 24);
    writeUint64(bytes, this.maxTimeMs, 32);
    bytes.writeUInt32LE(apps.length, 40);
    bytes.writeUInt32LE(this.#marks.length / 2, 44);
    writeUint64(bytes, segmentBytes, 48);
    bytes.writeUInt32LE(crc32c(bytes.subarray(0, indexHeaderBytes - 4)), indexHeaderBytes - 4);
    let entry = 0;
    for (const [i, [app, run]] of apps.entries()) {
      const at = layout.appsAt + i * appBytes;
      writeUint64(bytes, app, at);
      writeUint64(bytes, run.firstSeq, at + 8);
      bytes.writeUIntLE(run.previousOffset < 0 ? noPrevious : run.previousOffset, at + 16, 6);
      bytes.writeUInt32LE(run.lines, at + 22);
      bytes.writeUInt32LE(run.records, at + 26);
      bytes.writeUInt32LE(entry, at + 30);
      for (let r = 0; r < run.records; r++) {
        this.#encodeEntry(bytes, layout.entriesAt + entry++ * entryBytes, run, r);
      }
    }
    for (let i = 0; i < this.#marks.length; i += 2) {
      const at = layout.marksAt + (i / 2) * markBytes;
      bytes.writeUInt32LE((this.#marks[i] ?? 0) - this.base, at);
      bytes.writeUInt32LE(this.#marks[i + 1] ?? 0, at + 4);
    }
    bytes.writeUInt32LE(crc32c(bytes.subarray(0, bytes.length - 4)), bytes.length - 4);
    return bytes;
  }

  #encodeEntry(bytes: Buffer, at: number, run: GrowingRun, r: number): void {
    bytes.writeUInt32LE(run.offset(r) - this.base, at);
    bytes.writeUInt32LE(run.fileAt(r), at + 4);
    bytes.writeUInt32LE(run.bytes(r), at + 8);
    bytes.writeUInt32LE(run.linesBefore(r), at + 12);
    bytes.writeUIntLE(run.timeMs(r), at + 16, 6);
  }
}

class GrowingRun implements AppRun {
  readonly firstSeq: number;
  previousOffset: number;
  lines = 0;
  readonly cells: number[] = [];

  constructor(firstSeq: number, previousOffset: number) {
    this.firstSeq = firstSeq;
    this.previousOffset = previousOffset;
  }

  get records(): number {
    return this.cells.length / columns;
  }

  offset(i: number): number {
    return this.cells[i * columns] ?? 0;
  }

  fileAt(i: number): number {
    return this.cells[i * columns + 1] ?? 0;
  }

  bytes(i: number): number {
    return this.cells[i * columns + 2] ?? 0;
  }

  linesBefore(i: number): number {
    return this.cells[i * columns + 3] ?? 0;
  }

  timeMs(i: number): number {
    return this.cells[i * columns + 4] ?? 0;
  }
}

const indexMagic = 0x49535053; // "SPSI"
const indexVersion = 2;
export const indexHeaderBytes = 60;
const appBytes = 34;
const markBytes = 8;
const entryBytes = 22;

function layoutOf(apps: number, marks: number, records: number) {
  const appsAt = indexHeaderBytes;
  const marksAt = appsAt + apps * appBytes;
  const entriesAt = marksAt + marks * markBytes;
  return { appsAt, marksAt, entriesAt, totalBytes: entriesAt + records * entryBytes + 4 };
}

/** What an index file's first bytes say by themselves. */
export interface IndexHeader {
  readonly base: number;
  /** Largest receipt time, ms since 1970. */
  readonly maxTimeMs: number;
  /** Bytes of the segment that it was made for. */
  readonly segmentBytes: number;
}

/** Undefined when the bytes do not begin an index of this version. */
export function decodeIndexHeader(bytes: Buffer): IndexHeader | undefined {
  if (bytes.length < indexHeaderBytes || bytes.readUInt32LE(0) !== indexMagic) return undefined;
  if (bytes.readUInt32LE(4) !== indexVersion) return undefined;
  const crc = bytes.readUInt32LE(indexHeaderBytes - 4);
  if (crc32c(bytes.subarray(0, indexHeaderBytes - 4)) !== crc) return undefined;
  return {
    base: readUint64(bytes, 8),
    maxTimeMs: readUint64(bytes, 32),
    segmentBytes: readUint64(bytes, 48),
  };
}

/** The index of a sealed segment: its file's bytes, searched in place. */
export class LoadedIndex implements SegmentIndex {
  readonly base: number;
  readonly end: number;
  readonly minTimeMs: number;
  readonly maxTimeMs: number;
  readonly segmentBytes: number;
  readonly #bytes: Buffer;
  readonly #apps: number;
  readonly #marks: number;
  readonly #layout: ReturnType<typeof layoutOf>;

  private constructor(bytes: Buffer) {
    this.#bytes = bytes;
    this.base = readUint64(bytes, 8);
    this.end = readUint64(bytes, 16);
    this.minTimeMs = readUint64(bytes, 24);
    this.maxTimeMs = readUint64(bytes, 32);
    this.#apps = bytes.readUInt32LE(40);
    this.#marks = bytes.readUInt32LE(44);
    this.segmentBytes = readUint64(bytes, 48);
    this.#layout = layoutOf(this.#apps, this.#marks, 0);
  }

  /** Undefined when the bytes are not a whole index of this version: it is then made anew from the segment. */
  static decode(bytes: Buffer): LoadedIndex | undefined {
    if (bytes.length < indexHeaderBytes + 4 || !decodeIndexHeader(bytes)) return undefined;
    const crc = bytes.readUInt32LE(bytes.length - 4);
    return crc32c(bytes.subarray(0, bytes.length - 4)) === crc ? new LoadedIndex(bytes) : undefined;
  }

  get byteLength(): number {
    return this.#bytes.length;
  }

  find(app: AppId): AppRun | undefined {
    let low = 0;
    let high = this.#apps - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const at = this.#layout.appsAt + middle * appBytes;
      const found = readUint64(this.#bytes, at);
      if (found === app) return this.#run(at);
      if (found < app) low = middle + 1;
      else high = middle - 1;
    }
    return undefined;
  }

  *apps(): Iterable<AppId> {
    for (let i = 0; i < this.#apps; i++) {
      yield readUint64(this.#bytes, this.#layout.appsAt + i * appBytes) as AppId;
    }
  }

  fileAtOrBefore(offset: number): number {
    return lastMark(
      this.#marks,
      (i) => {
        const value = this.#bytes.readUInt32LE(
          this.#layout.marksAt + (i >> 1) * markBytes + (i & 1) * 4,
        );
        return i & 1 ? value : value + this.base;
      },
      offset,
    );
  }

  #run(at: number): AppRun {
    const bytes = this.#bytes;
    const base = this.base;
    const previous = bytes.readUIntLE(at + 16, 6);
    const entriesAt = this.#layout.entriesAt + bytes.readUInt32LE(at + 30) * entryBytes;
    return {
      firstSeq: readUint64(bytes, at + 8),
      previousOffset: previous === noPrevious ? -1 : previous,
      lines: bytes.readUInt32LE(at + 22),
      records: bytes.readUInt32LE(at + 26),
      offset: (i) => base + bytes.readUInt32LE(entriesAt + i * entryBytes),
      fileAt: (i) => bytes.readUInt32LE(entriesAt + i * entryBytes + 4),
      bytes: (i) => bytes.readUInt32LE(entriesAt + i * entryBytes + 8),
      linesBefore: (i) => bytes.readUInt32LE(entriesAt + i * entryBytes + 12),
      timeMs: (i) => bytes.readUIntLE(entriesAt + i * entryBytes + 16, 6),
    };
  }
}

/** `cell(2i)` is the offset of mark i and `cell(2i + 1)` its place in the file; 0 when no mark is early enough. */
function lastMark(count: number, cell: (i: number) => number, offset: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (cell(middle * 2) <= offset) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? 0 : cell((low - 1) * 2 + 1);
}

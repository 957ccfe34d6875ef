import { crc32c } from '@node-rs/crc32';
import type { AppId } from '../../core/ids.ts';
import type { AppRun } from './app-run.ts';
import { readUint64, writeUint64 } from './segment-format.ts';
import type { SegmentIndex } from './segment-index.ts';

/** What an index file's first bytes say by themselves. */
export interface IndexHeader {
  readonly base: number;
  /** Offset after the last record. */
  readonly end: number;
  /** Smallest and largest receipt time, ms since 1970. */
  readonly minTimeMs: number;
  readonly maxTimeMs: number;
  readonly apps: number;
  readonly marks: number;
  /** Bytes of the segment that it was made for. */
  readonly segmentBytes: number;
}

const indexMagic = 0x49535053; // "SPSI"
const indexVersion = 2;
export const indexHeaderBytes = 60;
export const appBytes = 34;
export const markBytes = 8;
const entryBytes = 22;
/** Stands for the offset of a record that there is not. */
const noPrevious = 0xffff_ffff_ffff;

/** Where the parts of the file begin: a row an app, the marks, and a row a record. */
export interface IndexLayout {
  /** Offsets in the file count from it. */
  readonly base: number;
  readonly appsAt: number;
  readonly marksAt: number;
  readonly entriesAt: number;
}

export function layoutOf(header: Pick<IndexHeader, 'base' | 'apps' | 'marks'>): IndexLayout {
  const { base, apps, marks } = header;
  const appsAt = indexHeaderBytes;
  const marksAt = appsAt + apps * appBytes;
  return { base, appsAt, marksAt, entriesAt: marksAt + marks * markBytes };
}

/** The bytes of an index file. `marks` has the offset of each mark and its place in the segment by turns. */
export function encodeIndex(
  index: Pick<SegmentIndex, 'base' | 'end' | 'minTimeMs' | 'maxTimeMs'>,
  runs: ReadonlyMap<AppId, AppRun>,
  marks: readonly number[],
  segmentBytes: number,
): Buffer {
  const apps = [...runs.entries()].sort(([a], [b]) => a - b);
  const records = apps.reduce((sum, [, run]) => sum + run.records, 0);
  const { base, end, minTimeMs, maxTimeMs } = index;
  const counts = { apps: apps.length, marks: marks.length / 2 };
  const layout = layoutOf({ base, ...counts });
  const bytes = Buffer.alloc(layout.entriesAt + records * entryBytes + 4);
  encodeHeader(bytes, { base, end, minTimeMs, maxTimeMs, ...counts, segmentBytes });
  let entry = 0;
  for (const [i, [app, run]] of apps.entries()) {
    encodeApp(bytes, layout.appsAt + i * appBytes, { app, run, entry });
    encodeEntries(bytes, layout.entriesAt + entry * entryBytes, run, base);
    entry += run.records;
  }
  for (let i = 0; i < marks.length; i += 2) {
    const at = layout.marksAt + (i / 2) * markBytes;
    bytes.writeUInt32LE((marks[i] ?? 0) - base, at);
    bytes.writeUInt32LE(marks[i + 1] ?? 0, at + 4);
  }
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, bytes.length - 4)), bytes.length - 4);
  return bytes;
}

function encodeHeader(bytes: Buffer, header: IndexHeader): void {
  bytes.writeUInt32LE(indexMagic, 0);
  bytes.writeUInt32LE(indexVersion, 4);
  writeUint64(bytes, header.base, 8);
  writeUint64(bytes, header.end, 16);
  writeUint64(bytes, header.minTimeMs, 24);
  writeUint64(bytes, header.maxTimeMs, 32);
  bytes.writeUInt32LE(header.apps, 40);
  bytes.writeUInt32LE(header.marks, 44);
  writeUint64(bytes, header.segmentBytes, 48);
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, indexHeaderBytes - 4)), indexHeaderBytes - 4);
}

/** Undefined when the bytes do not begin an index of this version. */
export function decodeIndexHeader(bytes: Buffer): IndexHeader | undefined {
  if (bytes.length < indexHeaderBytes || bytes.readUInt32LE(0) !== indexMagic) return undefined;
  if (bytes.readUInt32LE(4) !== indexVersion) return undefined;
  const crc = bytes.readUInt32LE(indexHeaderBytes - 4);
  if (crc32c(bytes.subarray(0, indexHeaderBytes - 4)) !== crc) return undefined;
  return {
    base: readUint64(bytes, 8),
    end: readUint64(bytes, 16),
    minTimeMs: readUint64(bytes, 24),
    maxTimeMs: readUint64(bytes, 32),
    apps: bytes.readUInt32LE(40),
    marks: bytes.readUInt32LE(44),
    segmentBytes: readUint64(bytes, 48),
  };
}

/** An app's row; `entry` is the number of its first record's. */
function encodeApp(
  bytes: Buffer,
  at: number,
  { app, run, entry }: { readonly app: AppId; readonly run: AppRun; readonly entry: number },
): void {
  writeUint64(bytes, app, at);
  writeUint64(bytes, run.firstSeq, at + 8);
  bytes.writeUIntLE(run.previousOffset < 0 ? noPrevious : run.previousOffset, at + 16, 6);
  bytes.writeUInt32LE(run.lines, at + 22);
  bytes.writeUInt32LE(run.records, at + 26);
  bytes.writeUInt32LE(entry, at + 30);
}

function encodeEntries(bytes: Buffer, entriesAt: number, run: AppRun, base: number): void {
  for (let r = 0; r < run.records; r++) {
    const at = entriesAt + r * entryBytes;
    bytes.writeUInt32LE(run.offset(r) - base, at);
    bytes.writeUInt32LE(run.fileAt(r), at + 4);
    bytes.writeUInt32LE(run.bytes(r), at + 8);
    bytes.writeUInt32LE(run.linesBefore(r), at + 12);
    bytes.writeUIntLE(run.timeMs(r), at + 16, 6);
  }
}

/** The run whose row is at `at`, read in place. */
export function decodeRun(bytes: Buffer, at: number, layout: IndexLayout): AppRun {
  const { base } = layout;
  const previous = bytes.readUIntLE(at + 16, 6);
  const entriesAt = layout.entriesAt + bytes.readUInt32LE(at + 30) * entryBytes;
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

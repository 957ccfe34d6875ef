import { gunzipSync, zstdDecompressSync } from 'node:zlib';
import { AppError } from './errors.ts';
import { appId, drainId, type AppId, type DrainId } from './ids.ts';

/**
 * What the bus stores: the frames of one app from one request (or a part of it), as one value.
 * The binary form is the same in every engine; `docs/protocol.md` shows its layout.
 */
export interface LogRecord {
  /** `empty` carries only rejected counts; `notice` is a line of our own with an id that cannot be doubled. */
  readonly kind: RecordKind;
  readonly app: AppId;
  /** Wall clock of the ingest node, milliseconds since 1970. Never used for order. */
  readonly receivedAtMs: number;
  /** Number of frames in `frames`. */
  readonly lines: number;
  /** Lines of the same request that were not stored, by reason; only in part 1. */
  readonly rejected: RejectedCounts;
  /** Sixteen bytes that recognise a repeat of the request; undefined when the sender gave no id. */
  readonly requestKey: Buffer | undefined;
  /** This is part `part` (from 1) of `parts` of its request. */
  readonly part: number;
  readonly parts: number;
  readonly notice: Notice | undefined;
  /** Octet-counted messages (RFC 6587 §3.4.1), nothing between them. At most 256 KiB. */
  readonly frames: Buffer;
}

export interface Notice {
  /** `<code>-<drain>-<from>-<to>`; at most 255 bytes of ASCII. */
  readonly id: string;
  /** The drain that does not get this notice, because it is told in its own way. */
  readonly exceptDrain: DrainId | undefined;
}

const recordKinds = ['lines', 'empty', 'notice'] as const;
export type RecordKind = (typeof recordKinds)[number];

/** Order is part of the stored format: append only. */
export const rejectReasons = ['malformed', 'count_mismatch', 'rate_limited'] as const;
export type RejectReason = (typeof rejectReasons)[number];
export type RejectedCounts = Readonly<Partial<Record<RejectReason, number>>>;

export const recordFramesBytesMax = 256 * 1024;
export const requestKeyBytes = 16;

const version = 1;
const codecs = { none: 0, gzip: 1, zstd: 2 } as const;
const fixedBytes = 49;
const keyAt = 29;
const noFlags = 0;
const noBytes = Buffer.alloc(0);
const noneRejected: RejectedCounts = {};

/** The encoded header; the record's bytes are the header followed by `record.frames` as they are. */
export function encodeRecordHeader(record: LogRecord): Buffer {
  const rejected = rejectReasons.filter((reason) => (record.rejected[reason] ?? 0) > 0);
  const noticeId = record.notice ? Buffer.from(record.notice.id, 'latin1') : undefined;
  const header = Buffer.allocUnsafe(
    fixedBytes + rejected.length * 5 + (noticeId ? 1 + noticeId.length + 6 : 0),
  );
  header[0] = version;
  header[1] = recordKinds.indexOf(record.kind);
  header[2] = codecs.none;
  header[3] = noFlags;
  header.writeUIntLE(record.app, 4, 6);
  header.writeUIntLE(record.receivedAtMs, 10, 6);
  header.writeUInt32LE(record.lines, 16);
  header.writeUInt16LE(record.part, 20);
  header.writeUInt16LE(record.parts, 22);
  header.writeUInt32LE(record.frames.length, 24);
  header[28] = rejected.length;
  header.fill(0, keyAt, keyAt + requestKeyBytes);
  record.requestKey?.copy(header, keyAt);
  header.writeUInt32LE(header.length, 45);
  let at = fixedBytes;
  for (const reason of rejected) {
    header[at] = rejectReasons.indexOf(reason);
    header.writeUInt32LE(Math.min(record.rejected[reason] ?? 0, 0xffffffff), at + 1);
    at += 5;
  }
  if (noticeId) {
    header[at] = noticeId.length;
    noticeId.copy(header, at + 1);
    header.writeUIntLE(record.notice?.exceptDrain ?? 0, at + 1 + noticeId.length, 6);
  }
  return header;
}

/**
 * Reads the record back that `bytes` have from `at` to their end; `frames` and `requestKey` are views of them, but for
 * frames that were compressed.
 * @throws AppError BUS_CORRUPT when the bytes are not a record, FORMAT_TOO_NEW for a later version.
 */
export function decodeRecord(bytes: Buffer, at = 0): LogRecord {
  const frames = bytes.subarray(at + headerBytesOf(bytes, at));
  return recordOf(bytes, at, inflate(frames, bytes[at + 2] ?? 0, bytes.readUInt32LE(at + 24)));
}

/** The header alone: enough for the books, the index and the recognition of repeats. */
export function decodeRecordHeader(bytes: Buffer, at = 0): Omit<LogRecord, 'frames'> {
  headerBytesOf(bytes, at);
  return recordOf(bytes, at, noBytes);
}

function headerBytesOf(bytes: Buffer, at: number): number {
  if (bytes.length < at + fixedBytes) throw corrupt('shorter than a record header');
  if (bytes[at] !== version) throw unknownVersion(bytes[at] ?? 0);
  const headerBytes = bytes.readUInt32LE(at + 45);
  if (headerBytes < fixedBytes || at + headerBytes > bytes.length)
    throw corrupt('header longer than the record');
  return headerBytes;
}

/** One object for each record, no more: drains that catch up make tens of thousands of them a second. */
function recordOf(bytes: Buffer, at: number, frames: Buffer): LogRecord {
  const kind = recordKinds[bytes[at + 1] ?? 255];
  if (!kind) throw corrupt('unknown kind of record');
  const rejectedCount = bytes[at + 28] ?? 0;
  const rejectedAt = at + fixedBytes;
  return {
    kind,
    app: appId(bytes.readUIntLE(at + 4, 6)),
    receivedAtMs: bytes.readUIntLE(at + 10, 6),
    lines: bytes.readUInt32LE(at + 16),
    part: bytes.readUInt16LE(at + 20),
    parts: bytes.readUInt16LE(at + 22),
    rejected: rejectedCount === 0 ? noneRejected : decodeRejected(bytes, rejectedAt, rejectedCount),
    requestKey: decodeKey(bytes, at + keyAt),
    notice: kind === 'notice' ? decodeNotice(bytes, rejectedAt + rejectedCount * 5) : undefined,
    frames,
  };
}

function decodeKey(bytes: Buffer, from: number): Buffer | undefined {
  const end = from + requestKeyBytes;
  for (let at = from; at < end; at++) if (bytes[at] !== 0) return bytes.subarray(from, end);
  return undefined;
}

/** The number of rejected lines, over all reasons. */
export function rejectedTotal(rejected: RejectedCounts): number {
  return rejectReasons.reduce((sum, reason) => sum + (rejected[reason] ?? 0), 0);
}

function decodeRejected(bytes: Buffer, from: number, count: number): RejectedCounts {
  const rejected: Partial<Record<RejectReason, number>> = {};
  for (let at = from; at < from + count * 5; at += 5) {
    const reason = rejectReasons[bytes[at] ?? 255];
    if (reason) rejected[reason] = bytes.readUInt32LE(at + 1);
  }
  return rejected;
}

function decodeNotice(bytes: Buffer, at: number): Notice {
  const length = bytes[at] ?? 0;
  const drain = bytes.readUIntLE(at + 1 + length, 6);
  return {
    id: bytes.toString('latin1', at + 1, at + 1 + length),
    exceptDrain: drain === 0 ? undefined : drainId(drain),
  };
}

function inflate(stored: Buffer, codec: number, framesBytes: number): Buffer {
  const options = { maxOutputLength: recordFramesBytesMax };
  const frames =
    codec === codecs.none
      ? stored
      : codec === codecs.gzip
        ? gunzipSync(stored, options)
        : codec === codecs.zstd
          ? zstdDecompressSync(stored, options)
          : undefined;
  if (frames?.length !== framesBytes)
    throw corrupt('frames do not have the length the header says');
  return frames;
}

function corrupt(what: string): AppError {
  return new AppError('BUS_CORRUPT', `unreadable record: ${what}`);
}

function unknownVersion(found: number): AppError {
  return new AppError(
    'FORMAT_TOO_NEW',
    `record format ${found} is not known; this program reads ${version}`,
  );
}

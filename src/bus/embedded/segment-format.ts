import { crc32c } from '@node-rs/crc32';
import { AppError } from '../../core/errors.ts';
import { encodeRecordHeader, recordFramesBytesMax, type LogRecord } from '../../core/record.ts';

/** What stands at the head of a segment file. `docs/protocol.md` shows the layout. */
export interface SegmentHeader {
  readonly logId: string;
  readonly partition: number;
  /** The offset that the segment's first record has or will have. */
  readonly base: number;
  /**
   * Begins the CRC of each record, and no sender knows it: bytes in a log line cannot pass for a record where a
   * scan looks for the next one after damage.
   */
  readonly salt: number;
}

export const segmentHeaderBytes = 36;
const envelopeBytes = 28;
/** The magic and the CRC itself come before it. */
const checkedAt = 8;
/** Where the record begins in what the CRC covers. */
export const recordAt = envelopeBytes - checkedAt;
/** Frames, the record's header with its longest notice, and the envelope. */
export const envelopedBytesMax = recordFramesBytesMax + 1024 + envelopeBytes;
/** No record takes less. */
export const envelopedBytesMin = envelopeBytes;

const segmentMagic = 0x47535053; // "SPSG"
export const recordMagic = 0x52535053; // "SPSR"
const formatVersion = 1;

export function encodeSegmentHeader(header: SegmentHeader): Buffer {
  const bytes = Buffer.alloc(segmentHeaderBytes);
  bytes.writeUInt32LE(segmentMagic, 0);
  bytes.writeUInt32LE(formatVersion, 4);
  bytes.write(header.logId, 8, 'hex');
  bytes.writeUInt32LE(header.partition, 16);
  bytes.writeUIntLE(header.base, 20, 6);
  bytes.writeUInt32LE(header.salt, 26);
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, segmentHeaderBytes - 4)), segmentHeaderBytes - 4);
  return bytes;
}

/**
 * Undefined when the bytes are not a whole header.
 * @throws AppError FORMAT_TOO_NEW when a later version of the program wrote it.
 */
export function decodeSegmentHeader(bytes: Buffer): SegmentHeader | undefined {
  if (bytes.length < segmentHeaderBytes || bytes.readUInt32LE(0) !== segmentMagic) return undefined;
  const crc = bytes.readUInt32LE(segmentHeaderBytes - 4);
  if (crc32c(bytes.subarray(0, segmentHeaderBytes - 4)) !== crc) return undefined;
  const version = bytes.readUInt32LE(4);
  if (version > formatVersion) {
    throw new AppError(
      'FORMAT_TOO_NEW',
      `the log was written in segment format ${version}; this program reads up to ${formatVersion}`,
    );
  }
  return {
    logId: bytes.toString('hex', 8, 16),
    partition: bytes.readUInt32LE(16),
    base: bytes.readUIntLE(20, 6),
    salt: bytes.readUInt32LE(26),
  };
}

/** A record's envelope and header in one buffer; the frames follow it in the file as they are. */
export function encodeEnvelope(
  record: LogRecord,
  numbers: { readonly ordinal: number; readonly appSeq: number },
  salt: number,
): Buffer {
  const header = encodeRecordHeader(record);
  const bytes = Buffer.allocUnsafe(envelopeBytes + header.length);
  bytes.writeUInt32LE(recordMagic, 0);
  bytes.writeUInt32LE(header.length + record.frames.length, 8);
  writeUint64(bytes, numbers.ordinal, 12);
  writeUint64(bytes, numbers.appSeq, 20);
  header.copy(bytes, envelopeBytes);
  const crc = crc32c(bytes.subarray(checkedAt), salt);
  bytes.writeUInt32LE(record.frames.length > 0 ? crc32c(record.frames, crc) : crc, 4);
  return bytes;
}

export interface Envelope {
  readonly ordinal: number;
  readonly appSeq: number;
  /** What the CRC covers, a view; the record goes from {@link recordAt} to its end. */
  readonly checked: Buffer;
  /** Bytes in the file, envelope included. */
  readonly bytes: number;
}

/**
 * The length, envelope included, that the bytes at `at` claim to have; undefined when they do not begin
 * an envelope or claim an impossible length. Says nothing about the rest.
 */
export function claimedBytes(bytes: Buffer, at: number): number | undefined {
  if (at + envelopeBytes > bytes.length || bytes.readUInt32LE(at) !== recordMagic) return undefined;
  const total = envelopeBytes + bytes.readUInt32LE(at + 8);
  return total <= envelopedBytesMax ? total : undefined;
}

/** The envelope at `at`, when it is whole and its CRC is right. */
export function decodeEnvelope(bytes: Buffer, at: number, salt: number): Envelope | undefined {
  const total = claimedBytes(bytes, at);
  if (total === undefined || at + total > bytes.length) return undefined;
  const checked = bytes.subarray(at + checkedAt, at + total);
  if (crc32c(checked, salt) !== bytes.readUInt32LE(at + 4)) return undefined;
  const ordinal = readUint64(bytes, at + 12);
  return { ordinal, appSeq: readUint64(bytes, at + 20), checked, bytes: total };
}

/** Offsets and line numbers are safe integers; they are stored in eight bytes. */
export function writeUint64(bytes: Buffer, value: number, at: number): void {
  bytes.writeUInt32LE(value >>> 0, at);
  bytes.writeUInt32LE(Math.floor(value / 0x1_0000_0000), at + 4);
}

export function readUint64(bytes: Buffer, at: number): number {
  return bytes.readUInt32LE(at) + bytes.readUInt32LE(at + 4) * 0x1_0000_0000;
}

export interface RetentionOptions {
  readonly ageMsMax: number;
  readonly bytesMax: number;
}

/** A sealed segment, oldest first. */
export interface SegmentFacts {
  readonly bytes: number;
  /** Largest receipt time in it, ms since 1970. */
  readonly maxTimeMs: number;
}

/**
 * How many of the oldest sealed segments go now: as many as the bytes ask for, and for their age at most one
 * (the caller asks once a minute), because a clock that jumps must not take the whole log with it.
 */
export function segmentsToDrop(
  sealed: readonly SegmentFacts[],
  activeBytes: number,
  nowMs: number,
  options: RetentionOptions,
): number {
  let bytes = sealed.reduce((sum, segment) => sum + segment.bytes, activeBytes);
  let count = 0;
  for (const segment of sealed) {
    if (bytes <= options.bytesMax) break;
    bytes -= segment.bytes;
    count++;
  }
  const isAged = sealed.length > 0 && oldestTimeMs(sealed, nowMs) < nowMs - options.ageMsMax;
  return count === 0 && isAged ? 1 : count;
}

/**
 * When the oldest segment was written, at the latest. A time in the future says that the clock was wrong then; but
 * the segment is no younger than those behind it, and would otherwise stand before all of them until that time.
 */
function oldestTimeMs(sealed: readonly SegmentFacts[], nowMs: number): number {
  return sealed.find((segment) => segment.maxTimeMs <= nowMs)?.maxTimeMs ?? nowMs;
}

/**
 * The configured bytes, or half of the sum of what is free and the log's own bytes, when that is less: half of the
 * disk, as far as others leave it. (Half of the free space alone would shrink as the log grows, and never bind.)
 */
export function bytesAllowed(configuredBytes: number, freeBytes: number, ownBytes: number): number {
  return Math.min(configuredBytes, Math.floor((freeBytes + ownBytes) / 2));
}

/** Retention takes whole segments, and never the one that is written: so many of them at least are what is kept. */
const segmentsMin = 4;
const segmentBytesMin = 1024 * 1024;

/** The configured size of a segment, or less where retention could not keep the log within `allowedBytes` with it. */
export function segmentBytesWithin(configuredBytes: number, allowedBytes: number): number {
  const fitting = Math.max(segmentBytesMin, Math.floor(allowedBytes / segmentsMin));
  return Math.min(configuredBytes, fitting);
}

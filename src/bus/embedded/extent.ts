/** Where a record lies in its segment's file. */
export interface Extent {
  readonly fileAt: number;
  readonly bytes: number;
}

/** A piece of a file: [start, end). */
export interface Range {
  readonly start: number;
  readonly end: number;
}

export interface RangeLimits {
  /** Reads begin and end at multiples of this, but for an extent that is longer: it is read alone. */
  readonly blockBytes: number;
  readonly readBytesMax: number;
}

/**
 * What to read for the extents of one reader from number `from` on, which are in the order of the file: the blocks of
 * the first, and of those behind it as long as no block lies between them.
 */
export function rangeOf(extents: readonly Extent[], from: number, limits: RangeLimits): Range {
  const { blockBytes, readBytesMax } = limits;
  const first = endsOf(extents[from]);
  if (first.end - first.start > blockBytes) return first;
  const start = first.start - (first.start % blockBytes);
  let end = roundUp(first.end, blockBytes);
  for (let i = from + 1; i < extents.length; i++) {
    const next = endsOf(extents[i]);
    const nextEnd = roundUp(next.end, blockBytes);
    const isFar = next.start < start || next.start >= end + blockBytes;
    if (isFar || next.end - next.start > blockBytes || nextEnd - start > readBytesMax) break;
    end = Math.max(end, nextEnd);
  }
  return { start, end };
}

function endsOf(extent: Extent | undefined): Range {
  if (!extent) throw new Error('nothing is wanted any more');
  return { start: extent.fileAt, end: extent.fileAt + extent.bytes };
}

function roundUp(value: number, step: number): number {
  return Math.ceil(value / step) * step;
}

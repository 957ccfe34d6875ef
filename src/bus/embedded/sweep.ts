/** Where a record lies in its segment's file. */
export interface Extent {
  readonly fileAt: number;
  readonly bytes: number;
}

/** Records of one segment that a reader wants, in the order of the file. */
export interface Wanted {
  readonly extents: readonly Extent[];
  /** The first of them that no sweep has taken yet. */
  readonly from: number;
}

/** One read of the file, and what of it is for whom. */
export interface Sweep<T extends Wanted> {
  readonly fileAt: number;
  readonly bytes: number;
  readonly shares: readonly Share<T>[];
}

/** The extents [from, to) of one reader. */
export interface Share<T extends Wanted> {
  readonly wanted: T;
  readonly from: number;
  readonly to: number;
  readonly bytes: number;
}

export interface SweepLimits {
  /** How far apart two records may lie to be fetched by one read. */
  readonly gapBytesMax: number;
  /** How long a read may get; a longer record is read alone. */
  readonly readBytesMax: number;
}

/**
 * The read that serves `first`, and beside it whoever wants records that lie in the same place: it begins with the
 * first record that `first` wants, and ends at a gap that nobody fills, or when it is long enough.
 */
export function planSweep<T extends Wanted>(
  first: T,
  others: Iterable<T>,
  limits: SweepLimits,
): Sweep<T> {
  const start = extentAt(first, first.from).fileAt;
  const own = candidate(first, start, limits);
  const candidates = [{ ...own, to: Math.max(own.to, first.from + 1) }];
  for (const other of others) {
    if (other === first) continue;
    const found = candidate(other, start, limits);
    if (found.to > found.from) candidates.push(found);
  }
  const end = endOf(start, extentsOf(candidates), limits);
  const shares: Share<T>[] = [];
  for (const { wanted, from, to } of candidates) {
    const share = shareUpTo(wanted, from, to, end);
    if (share) shares.push(share);
  }
  return { fileAt: start, bytes: end - start, shares };
}

interface Candidate<T extends Wanted> {
  readonly wanted: T;
  readonly from: number;
  readonly to: number;
}

/** What of a reader's extents can lie in a read from `start`. Only from its front, so that its order is kept. */
function candidate<T extends Wanted>(wanted: T, start: number, limits: SweepLimits): Candidate<T> {
  const { extents, from } = wanted;
  let to = from;
  if (extentAt(wanted, from).fileAt >= start) {
    const endMax = start + limits.readBytesMax;
    for (let at = extents[to]; at && at.fileAt + at.bytes <= endMax; at = extents[++to]);
  }
  return { wanted, from, to };
}

function extentsOf<T extends Wanted>(candidates: readonly Candidate<T>[]): Extent[] {
  const all = candidates.flatMap(({ wanted, from, to }) => wanted.extents.slice(from, to));
  return all.sort((a, b) => a.fileAt - b.fileAt);
}

function endOf(start: number, sorted: readonly Extent[], limits: SweepLimits): number {
  let end = start;
  for (const { fileAt, bytes } of sorted) {
    if (fileAt - end > limits.gapBytesMax) break;
    end = Math.max(end, fileAt + bytes);
  }
  return end;
}

function shareUpTo<T extends Wanted>(
  wanted: T,
  from: number,
  toMax: number,
  end: number,
): Share<T> | undefined {
  let bytes = 0;
  let to = from;
  for (; to < toMax; to++) {
    const extent = extentAt(wanted, to);
    if (extent.fileAt + extent.bytes > end) break;
    bytes += extent.bytes;
  }
  return to > from ? { wanted, from, to, bytes } : undefined;
}

function extentAt({ extents }: Wanted, i: number): Extent {
  const extent = extents[i];
  if (!extent) throw new Error('nothing is wanted any more');
  return extent;
}

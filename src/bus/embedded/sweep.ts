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
  const { fileAt, bytes } = extentAt(first, first.from);
  const own = { wanted: first, from: first.from, to: first.from + 1, bytes };
  const shares: OpenShare<T>[] = [own];
  for (const wanted of others) {
    if (wanted !== first && wanted.from < wanted.extents.length) {
      shares.push({ wanted, from: wanted.from, to: wanted.from, bytes: 0 });
    }
  }
  const range = { start: fileAt, end: fileAt + bytes };
  // What one of them brings may fill the gap in front of what another wants.
  for (let before = fileAt; before < range.end;) {
    before = range.end;
    for (const share of shares) extend(share, range, limits);
  }
  const { start, end } = range;
  return { fileAt, bytes: end - start, shares: shares.filter(({ from, to }) => to > from) };
}

type OpenShare<T extends Wanted> = { -readonly [K in keyof Share<T>]: Share<T>[K] };

/** Takes what is next of a reader's extents, in their order, as far as it lies in the range or right behind it. */
function extend(
  share: OpenShare<Wanted>,
  range: { readonly start: number; end: number },
  { gapBytesMax, readBytesMax }: SweepLimits,
): void {
  const { extents } = share.wanted;
  const endMax = range.start + readBytesMax;
  for (let extent = extents[share.to]; extent; extent = extents[++share.to]) {
    const { fileAt, bytes } = extent;
    const end = fileAt + bytes;
    if (fileAt < range.start || fileAt - range.end > gapBytesMax || end > endMax) return;
    range.end = Math.max(range.end, end);
    share.bytes += bytes;
  }
}

function extentAt({ extents }: Wanted, i: number): Extent {
  const extent = extents[i];
  if (!extent) throw new Error('nothing is wanted any more');
  return extent;
}

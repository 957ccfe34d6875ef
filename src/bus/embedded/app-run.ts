import type { Position } from '../../core/position.ts';

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

/** Number of the app's first line after the run's record `i`. */
export function seqAfter(run: AppRun, i: number): number {
  return run.firstSeq + (i + 1 < run.records ? run.linesBefore(i + 1) : run.lines);
}

/** The app's line number at `from`, whose next record is the run's record `i`. */
export function seqWithin(run: AppRun, i: number, from: Position): number {
  const seq = run.firstSeq + run.linesBefore(i);
  return run.offset(i) === from.offset ? Math.min(seq + from.line, seqAfter(run, i)) : seq;
}

/** Offset of the app's record before the run's record `i`; -1 for none. */
export function offsetBefore(run: AppRun, i: number): number {
  return i > 0 ? run.offset(i - 1) : run.previousOffset;
}

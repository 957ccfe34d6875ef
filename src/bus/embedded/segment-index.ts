import type { AppId } from '../../core/ids.ts';
import type { AppRun } from './app-run.ts';

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

/** `cell(2i)` is the offset of mark i and `cell(2i + 1)` its place in the file; 0 when no mark is early enough. */
export function lastMark(count: number, cell: (i: number) => number, offset: number): number {
  let low = 0;
  let high = count;
  while (low < high) {
    const middle = (low + high) >> 1;
    if (cell(middle * 2) <= offset) low = middle + 1;
    else high = middle;
  }
  return low === 0 ? 0 : cell((low - 1) * 2 + 1);
}

import type { AppId } from '../../core/ids.ts';
import type { AppRun } from './app-run.ts';
import { encodeIndex } from './index-format.ts';
import { lastMark, type SegmentIndex } from './segment-index.ts';

const columns = 5;
/** A mark in the sparse table for about every so many bytes of records. */
const markEveryBytes = 64 * 1024;

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
    return encodeIndex(this, this.#runs, this.#marks, segmentBytes);
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

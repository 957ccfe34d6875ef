import type { AppId } from '../../core/ids.ts';
import type { Position } from '../../core/position.ts';
import type { Bound, Page, Weight } from '../bus.ts';
import { AppPages } from './app-pages.ts';
import { firstAtOrAfter, seqWithin, type AppRun } from './app-run.ts';
import type { IndexCache } from './index-cache.ts';
import { PartitionWalk } from './partition-walk.ts';
import type { ReadScheduler } from './read-scheduler.ts';
import { ReadablePartition, type Readable } from './readable-partition.ts';

export interface SegmentReaderParts {
  readonly source: Readable;
  readonly indexes: IndexCache;
  readonly scheduler: ReadScheduler;
  /** Called for each record that the index names but that cannot be read. */
  readonly onCorrupt: (path: string, fileAt: number) => void;
}

/** The run's record `i`. */
interface FoundRecord {
  readonly run: AppRun;
  readonly i: number;
}

/** Segments whose indexes are read to weigh a backlog, however long it is. */
const weighedSegmentsMax = 4;

/** Reads one partition by position: pages, places in time, and counts. The last two are in the indexes alone. */
export class SegmentReader {
  readonly #partition: ReadablePartition;
  readonly #indexes: IndexCache;
  readonly #appPages: AppPages;
  readonly #walk: PartitionWalk;
  /** The first record in the log of apps whose oldest line was asked for, by offset, with the numbers before it. */
  readonly #firsts = new Map<AppId, { readonly offset: number; readonly bound: Bound }>();

  constructor({ source, ...parts }: SegmentReaderParts) {
    this.#partition = new ReadablePartition(source);
    this.#indexes = parts.indexes;
    this.#appPages = new AppPages({ ...parts, partition: this.#partition });
    this.#walk = new PartitionWalk({ ...parts, partition: this.#partition });
  }

  get oldest(): Position {
    return this.#partition.oldest;
  }

  /** The head, with the app's numbers at it. */
  head(app?: AppId): Bound {
    return this.#partition.head(app);
  }

  readApp(asked: Position, maxBytes: number, app: AppId): Promise<Page> {
    return this.#appPages.read(asked, maxBytes, app);
  }

  /** All apps' records: for what rebuilds itself from the end of the log at a start. */
  readAll(asked: Position, maxBytes: number): Promise<Page> {
    return this.#walk.read(asked, maxBytes);
  }

  /** The position of the app's line number `seq`; the oldest line of the partition when it is gone. */
  positionOfSeq(app: AppId, seq: number): Promise<Position> {
    return this.#partition.whileKept(() => this.#positionOfSeq(app, seq));
  }

  async #positionOfSeq(app: AppId, seq: number): Promise<Position> {
    const { position: end, appSeq, previous } = this.#partition.head(app);
    if (seq >= appSeq || previous === null) return end;
    for await (const { run } of this.#runsBackwards(app, previous.offset)) {
      if (run.firstSeq > seq) continue;
      let i = run.records - 1;
      while (i > 0 && run.firstSeq + run.linesBefore(i) > seq) i--;
      const line = seq - run.firstSeq - run.linesBefore(i);
      return { ...this.#partition.position(run.offset(i)), line };
    }
    return this.#partition.oldest;
  }

  /** The app's first record received at or after `sinceMs`, looking back from the head. */
  positionOfTime(app: AppId, sinceMs: number): Promise<Position> {
    return this.#partition.whileKept(() => this.#positionOfTime(app, sinceMs));
  }

  async #positionOfTime(app: AppId, sinceMs: number): Promise<Position> {
    const { position: end, previous } = this.#partition.head(app);
    let found = end;
    if (previous === null) return found;
    for await (const { run } of this.#runsBackwards(app, previous.offset)) {
      let i = 0;
      while (i < run.records && run.timeMs(i) < sinceMs) i++;
      if (i < run.records) found = this.#partition.position(run.offset(i));
      if (i > 0) break;
    }
    return found;
  }

  /** The app's numbers at `position`. */
  boundAt(app: AppId, position: Position): Promise<Bound> {
    return this.#partition.whileKept(() => this.#boundAt(app, position));
  }

  async #boundAt(app: AppId, position: Position): Promise<Bound> {
    const at = this.#partition.clamp(position);
    const { appSeq, previous } = this.head(app);
    const first = await this.#firstFrom(app, at);
    return first ? this.#boundBefore(first, at) : { position: at, appSeq, previous };
  }

  /** The app's numbers at the oldest line. */
  oldestBound(app: AppId): Promise<Bound> {
    return this.#partition.whileKept(() => this.#oldestBound(app));
  }

  /** An app that began late has its first record behind many indexes: it is looked for once. */
  async #oldestBound(app: AppId): Promise<Bound> {
    const position = this.oldest;
    const known = this.#firsts.get(app);
    if (known && known.offset >= position.offset) return { ...known.bound, position };
    const head = this.head(app);
    const first = await this.#firstFrom(app, position);
    if (!first) return { ...head, position };
    const bound = this.#boundBefore(first, position);
    this.#firsts.set(app, { offset: first.run.offset(first.i), bound });
    return bound;
  }

  #boundBefore({ run, i }: FoundRecord, at: Position): Bound {
    const previous = this.#partition.previousOf(run, i);
    return { position: at, appSeq: seqWithin(run, i, at), previous };
  }

  /** The app's first record at or after `at`. */
  async #firstFrom(app: AppId, at: Position): Promise<FoundRecord | undefined> {
    const { previous } = this.#partition.headOf(app);
    if (previous === null || previous.offset < at.offset) return undefined;
    for (const segment of this.#partition.segmentsFrom(at.offset, previous)) {
      const run = (await this.#indexes.of(segment, app)).find(app);
      const i = run ? firstAtOrAfter(run, at.offset) : 0;
      if (run && i < run.records) return { run, i };
    }
    return undefined;
  }

  /** Exact over the first segments in which there is some of it; the rest is taken to be like them. */
  async weigh(app: AppId, asked: Position): Promise<Weight> {
    const from = this.#partition.clamp(asked);
    const { seq, previous } = this.#partition.headOf(app);
    let bytes = 0;
    let lines = 0;
    let sinceMs: number | undefined;
    let looked = 0;
    if (previous === null) return { bytes, sinceMs };
    for (const segment of this.#partition.segmentsFrom(from.offset, previous)) {
      const run = (await this.#indexes.of(segment, app)).find(app);
      const start = run ? firstAtOrAfter(run, from.offset) : 0;
      if (!run || start === run.records) continue;
      sinceMs ??= run.timeMs(start);
      for (let i = start; i < run.records; i++) bytes += run.bytes(i);
      lines += run.lines - run.linesBefore(start);
      if (++looked >= weighedSegmentsMax) break;
    }
    const all = seq - (await this.boundAt(app, from)).appSeq;
    return { bytes: lines > 0 ? Math.round((bytes * all) / lines) : 0, sinceMs };
  }

  /** The app's runs, newest first, found by following each run's previous record. */
  async *#runsBackwards(app: AppId, offset: number): AsyncIterable<{ run: AppRun }> {
    let before = offset;
    for (const segment of [...this.#partition.segments].reverse()) {
      if (segment.base > before) continue;
      const run = (await this.#indexes.of(segment, app)).find(app);
      if (!run) continue;
      yield { run };
      if (run.firstSeq === 0) return;
      if (run.previousOffset >= 0) before = run.previousOffset;
    }
  }
}

import type { AppId } from '../../core/ids.ts';
import type { Position } from '../../core/position.ts';
import { decodeRecord } from '../../core/record.ts';
import type { Bound, Page, StoredRecord, Weight } from '../bus.ts';
import type { AppHeads } from './app-heads.ts';
import type { IndexCache } from './index-cache.ts';
import { ReadPage } from './read-page.ts';
import type { ReadScheduler } from './read-scheduler.ts';
import type { Segment } from './segment.ts';
import {
  decodeEnvelope,
  envelopedBytesMax,
  segmentHeaderBytes,
  type Envelope,
} from './segment-format.ts';
import { nextEnvelopeAt } from './segment-scan.ts';
import { firstAtOrAfter, type AppRun, type SegmentIndex } from './segment-index.ts';
import type { Extent } from './sweep.ts';

/** What the reader needs to know of its partition. */
export interface Readable {
  readonly logId: string;
  readonly partition: number;
  /** Oldest first; the last one is the active one. */
  readonly segments: readonly Segment[];
  /** Offset after the last durable record. */
  readonly headOffset: number;
  readonly heads: AppHeads;
}

export interface SegmentReaderParts {
  readonly source: Readable;
  readonly indexes: IndexCache;
  readonly scheduler: ReadScheduler;
  /** Called for each record that the index names but that cannot be read. */
  readonly onCorrupt: (path: string, fileAt: number) => void;
}

/** An app's records [start, end) of one segment. */
interface Stretch {
  readonly segment: Segment;
  readonly run: AppRun;
  readonly start: number;
  readonly end: number;
}

/** How much of a partition is read at once where all of it is wanted. */
const readBytesMax = 1024 * 1024;
/** Segments whose indexes are read to weigh a backlog, however long it is. */
const weighedSegmentsMax = 4;

/** Reads one partition by position: pages, places in time, and counts. */
export class SegmentReader {
  readonly #source: Readable;
  readonly #parts: SegmentReaderParts;
  /** What is being read, by what was asked for. */
  readonly #pages = new Map<string, Promise<ReadPage>>();

  constructor(parts: SegmentReaderParts) {
    this.#source = parts.source;
    this.#parts = parts;
  }

  get oldest(): Position {
    return this.#position(this.#source.segments[0]?.base ?? this.#source.headOffset);
  }

  /** The head, with the app's numbers at it. */
  head(app?: AppId): Bound {
    const position = this.#position(this.#source.headOffset);
    if (app === undefined) return { position, appSeq: 0, previous: null };
    const { seq, previous } = this.#source.heads.peek(app);
    return { position, appSeq: seq, previous };
  }

  /** Where a read from `asked` starts: there, or at the oldest line when that place does not exist (any more). */
  clamp(asked: Position): Position {
    const { logId, headOffset } = this.#source;
    const isBeyond = asked.offset > headOffset || (asked.offset === headOffset && asked.line > 0);
    if (asked.logId !== logId || isBeyond || asked.offset < this.oldest.offset) return this.oldest;
    return asked;
  }

  async readApp(asked: Position, maxBytes: number, app: AppId): Promise<Page> {
    const read = await this.#sharedPage(this.clamp(asked), maxBytes, app);
    await this.#parts.scheduler.handOut(read.bytes);
    return read.page;
  }

  /** One page for all who ask for the same while it is being read. */
  async #sharedPage(from: Position, maxBytes: number, app: AppId): Promise<ReadPage> {
    const key = `${app} ${from.offset} ${from.line} ${maxBytes}`;
    for (let other = this.#pages.get(key); other; other = this.#pages.get(key)) {
      const { previous } = this.#source.heads.peek(app);
      const read = await other;
      // It may have been begun before lines became durable that this reader must find.
      if (read.reaches(previous?.offset ?? -1)) return read;
    }
    const reading = this.#whileKept(() => this.#readApp(from, maxBytes, app));
    this.#pages.set(key, reading);
    return reading.finally(() => this.#pages.delete(key));
  }

  async #readApp(asked: Position, maxBytes: number, app: AppId): Promise<ReadPage> {
    const from = this.clamp(asked);
    const head = this.head(app);
    const stretches: Stretch[] = [];
    let next: Bound | undefined;
    let bytes = 0;
    for (const segment of this.#segmentsFrom(from.offset, head.previous)) {
      const index = await this.#parts.indexes.of(segment, app);
      const run = index.find(app);
      if (!run) continue;
      const start = firstAtOrAfter(run, from.offset);
      let end = start;
      while (end < run.records && run.offset(end) < head.position.offset && !next) {
        bytes += run.bytes(end++);
        if (bytes >= maxBytes) next = this.#after(run, end - 1);
      }
      if (start < end) stretches.push({ segment, run, start, end });
      if (next) break;
    }
    next ??= head;
    const records = await Promise.all(stretches.map((stretch) => this.#fetch(app, stretch)));
    return new ReadPage(
      {
        from: { position: from, ...this.#numbersAt(from, stretches[0], head) },
        next,
        atHead: next === head || next.position.offset >= head.position.offset,
      },
      bytes,
      () => stretches.flatMap((stretch, i) => this.#decode(stretch, records[i] ?? [])),
    );
  }

  /** All apps' records: for what rebuilds itself from the end of the log at a start. */
  readAll(asked: Position, maxBytes: number): Promise<Page> {
    return this.#whileKept(() => this.#readAll(asked, maxBytes));
  }

  async #readAll(asked: Position, maxBytes: number): Promise<Page> {
    const from = this.clamp(asked);
    const headOffset = this.#source.headOffset;
    const records: StoredRecord[] = [];
    let bytes = 0;
    for (const segment of this.#segmentsFrom(from.offset, this.#position(headOffset))) {
      const index = await this.#parts.indexes.of(segment, 0);
      for await (const envelope of this.#walk(segment, index.fileAtOrBefore(from.offset))) {
        if (envelope.ordinal < from.offset || envelope.ordinal >= headOffset) continue;
        records.push(this.#stored(envelope, index));
        bytes += envelope.bytes;
        if (bytes >= maxBytes) break;
      }
      if (bytes >= maxBytes) break;
    }
    const last = records.at(-1);
    const nextOffset = bytes >= maxBytes && last ? last.position.offset + 1 : headOffset;
    return {
      from: { position: from, appSeq: 0, previous: null },
      records,
      next: { position: this.#position(nextOffset), appSeq: 0, previous: null },
      atHead: nextOffset >= headOffset,
    };
  }

  /** The position of the app's line number `seq`; the oldest line of the partition when it is gone. */
  positionOfSeq(app: AppId, seq: number): Promise<Position> {
    return this.#whileKept(() => this.#positionOfSeq(app, seq));
  }

  async #positionOfSeq(app: AppId, seq: number): Promise<Position> {
    const { seq: headSeq, previous } = this.#source.heads.peek(app);
    if (seq >= headSeq || previous === null) return this.#position(this.#source.headOffset);
    for await (const { run } of this.#runsBackwards(app, previous.offset)) {
      if (run.firstSeq > seq) continue;
      let i = run.records - 1;
      while (i > 0 && run.firstSeq + run.linesBefore(i) > seq) i--;
      return { ...this.#position(run.offset(i)), line: seq - run.firstSeq - run.linesBefore(i) };
    }
    return this.oldest;
  }

  /** The app's first record received at or after `sinceMs`, looking back from the head. */
  positionOfTime(app: AppId, sinceMs: number): Promise<Position> {
    return this.#whileKept(() => this.#positionOfTime(app, sinceMs));
  }

  async #positionOfTime(app: AppId, sinceMs: number): Promise<Position> {
    const { previous } = this.#source.heads.peek(app);
    let found = this.#position(this.#source.headOffset);
    if (previous === null) return found;
    for await (const { run } of this.#runsBackwards(app, previous.offset)) {
      let i = 0;
      while (i < run.records && run.timeMs(i) < sinceMs) i++;
      if (i < run.records) found = this.#position(run.offset(i));
      if (i > 0) break;
    }
    return found;
  }

  /** The app's numbers at `position`. */
  boundAt(app: AppId, position: Position): Promise<Bound> {
    return this.#whileKept(() => this.#boundAt(app, position));
  }

  /** What fails because retention took the files meanwhile is done again, with what is left. */
  async #whileKept<T>(look: () => Promise<T>): Promise<T> {
    for (;;) {
      const oldest = this.oldest.offset;
      try {
        return await look();
      } catch (error) {
        if (this.oldest.offset === oldest) throw error;
      }
    }
  }

  async #boundAt(app: AppId, position: Position): Promise<Bound> {
    const at = this.clamp(position);
    const { seq, previous } = this.#source.heads.peek(app);
    if (previous !== null && previous.offset >= at.offset) {
      for (const segment of this.#segmentsFrom(at.offset, previous)) {
        const run = (await this.#parts.indexes.of(segment, app)).find(app);
        const i = run ? firstAtOrAfter(run, at.offset) : 0;
        if (run && i < run.records) {
          const appSeq = this.#seqWithin(run, i, at);
          return { position: at, appSeq, previous: this.#previousOf(run, i) };
        }
      }
    }
    return { position: at, appSeq: seq, previous };
  }

  /** Exact over the first segments in which there is some of it; the rest is taken to be like them. */
  async weigh(app: AppId, asked: Position): Promise<Weight> {
    const from = this.clamp(asked);
    const { seq, previous } = this.#source.heads.peek(app);
    let bytes = 0;
    let lines = 0;
    let sinceMs: number | undefined;
    let looked = 0;
    if (previous === null) return { bytes, sinceMs };
    for (const segment of this.#segmentsFrom(from.offset, previous)) {
      const run = (await this.#parts.indexes.of(segment, app)).find(app);
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

  /** The segments in which records in [offset, last] may lie. */
  *#segmentsFrom(offset: number, last: Position | null): Iterable<Segment> {
    const { segments } = this.#source;
    for (const [i, segment] of [...segments].entries()) {
      const end = segments[i + 1]?.base ?? Infinity;
      if (end <= offset) continue;
      if (last === null || segment.base > last.offset) return;
      yield segment;
    }
  }

  /** The app's runs, newest first, found by following each run's previous record. */
  async *#runsBackwards(app: AppId, offset: number): AsyncIterable<{ run: AppRun }> {
    let before = offset;
    for (const segment of [...this.#source.segments].reverse()) {
      if (segment.base > before) continue;
      const run = (await this.#parts.indexes.of(segment, app)).find(app);
      if (!run) continue;
      yield { run };
      if (run.firstSeq === 0) return;
      if (run.previousOffset >= 0) before = run.previousOffset;
    }
  }

  #fetch(app: AppId, { segment, run, start, end }: Stretch): Promise<Buffer[]> {
    const extents: Extent[] = [];
    for (let i = start; i < end; i++) extents.push({ fileAt: run.fileAt(i), bytes: run.bytes(i) });
    return this.#parts.scheduler.fetch(app, segment, extents);
  }

  #decode({ segment, run, start }: Stretch, fetched: readonly Buffer[]): StoredRecord[] {
    const records: StoredRecord[] = [];
    for (const [n, bytes] of fetched.entries()) {
      const i = start + n;
      const record = this.#checked(decodeEnvelope(bytes, 0, segment.salt), run, i);
      if (record) records.push(record);
      else this.#parts.onCorrupt(segment.path, run.fileAt(i));
    }
    return records;
  }

  #numbersAt(
    from: Position,
    first: Stretch | undefined,
    head: Bound,
  ): Pick<Bound, 'appSeq' | 'previous'> {
    if (!first) return head;
    const { run, start } = first;
    return { appSeq: this.#seqWithin(run, start, from), previous: this.#previousOf(run, start) };
  }

  /** The record, when it is the one that the index means. */
  #checked(envelope: Envelope | undefined, run: AppRun, i: number): StoredRecord | undefined {
    if (envelope?.ordinal !== run.offset(i)) return undefined;
    if (envelope.appSeq !== run.firstSeq + run.linesBefore(i)) return undefined;
    return {
      record: decodeRecord(envelope.record),
      position: this.#position(envelope.ordinal),
      appSeq: envelope.appSeq,
      previous: this.#previousOf(run, i),
    };
  }

  async *#walk(segment: Segment, startAt: number): AsyncIterable<Envelope> {
    let fileAt = Math.max(startAt, segmentHeaderBytes);
    while (fileAt < segment.bytes) {
      const at = fileAt;
      const window = await this.#parts.scheduler.run(0, async () => {
        const value = await segment.readBytes(at, readBytesMax);
        return { value, bytes: value.length };
      });
      if (window.length === 0) return;
      let used = 0;
      while (used < window.length) {
        const envelope = decodeEnvelope(window, used, segment.salt);
        if (!envelope) break;
        yield envelope;
        used += envelope.bytes;
      }
      // The window is larger than any record: what does not begin one here is none.
      if (used === 0) used = this.#skipped(segment, window, fileAt);
      fileAt += used;
    }
  }

  /** How many bytes of a window that begins with no record need not be seen again. */
  #skipped(segment: Segment, window: Buffer, fileAt: number): number {
    this.#parts.onCorrupt(segment.path, fileAt);
    const next = nextEnvelopeAt(window, 1, segment.salt);
    if (next !== undefined) return next;
    const isEnd = fileAt + window.length >= segment.bytes || window.length <= envelopedBytesMax;
    return isEnd ? window.length : window.length - envelopedBytesMax;
  }

  #stored(envelope: Envelope, index: SegmentIndex): StoredRecord {
    const record = decodeRecord(envelope.record);
    const run = index.find(record.app);
    const i = run ? firstAtOrAfter(run, envelope.ordinal) : 0;
    return {
      record,
      position: this.#position(envelope.ordinal),
      appSeq: envelope.appSeq,
      previous: run ? this.#previousOf(run, i) : null,
    };
  }

  #after(run: AppRun, i: number): Bound {
    const linesAfter = i + 1 < run.records ? run.linesBefore(i + 1) : run.lines;
    return {
      position: this.#position(run.offset(i) + 1),
      appSeq: run.firstSeq + linesAfter,
      previous: this.#position(run.offset(i)),
    };
  }

  /** The app's line number at `from`, whose next record is the run's record `i`. */
  #seqWithin(run: AppRun, i: number, from: Position): number {
    const seq = run.firstSeq + run.linesBefore(i);
    if (run.offset(i) !== from.offset) return seq;
    const linesAfter = i + 1 < run.records ? run.linesBefore(i + 1) : run.lines;
    return Math.min(seq + from.line, run.firstSeq + linesAfter);
  }

  #previousOf(run: AppRun, i: number): Position | null {
    const offset = i > 0 ? run.offset(i - 1) : run.previousOffset;
    return offset < 0 ? null : this.#position(offset);
  }

  #position(offset: number): Position {
    return { logId: this.#source.logId, partition: this.#source.partition, offset, line: 0 };
  }
}

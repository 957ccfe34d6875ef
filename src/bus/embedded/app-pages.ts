import type { AppId } from '../../core/ids.ts';
import type { Position } from '../../core/position.ts';
import { decodeRecord } from '../../core/record.ts';
import type { Bound, Page, StoredRecord } from '../bus.ts';
import { firstAtOrAfter, offsetBefore, seqAfter, seqWithin, type AppRun } from './app-run.ts';
import type { Extent } from './extent.ts';
import type { IndexCache } from './index-cache.ts';
import { ReadPage } from './read-page.ts';
import type { ReadScheduler } from './read-scheduler.ts';
import type { ReadablePartition } from './readable-partition.ts';
import type { Segment } from './segment.ts';
import { decodeEnvelope, recordAt, type Envelope } from './segment-format.ts';

export interface AppPagesParts {
  readonly partition: ReadablePartition;
  readonly indexes: IndexCache;
  readonly scheduler: ReadScheduler;
  /** Called for each record that the index names but that cannot be read. */
  readonly onCorrupt: (path: string, fileAt: number) => void;
}

/** A page that is being read. */
interface Reading {
  /** Gone once it is there: the Map's outgrown tables may hold this for longer, and must not hold what was read. */
  page: Promise<ReadPage> | undefined;
}

/** An app's records [start, end) of one segment. */
interface Stretch {
  readonly segment: Segment;
  readonly run: AppRun;
  readonly start: number;
  readonly end: number;
}

/** Pages of one app's records: the index says where they lie, and nothing else is read. */
export class AppPages {
  readonly #partition: ReadablePartition;
  readonly #parts: AppPagesParts;
  /** What is being read, by what was asked for. */
  readonly #readings = new Map<string, Reading>();

  constructor(parts: AppPagesParts) {
    this.#partition = parts.partition;
    this.#parts = parts;
  }

  async read(asked: Position, maxBytes: number, app: AppId): Promise<Page> {
    const read = await this.#sharedPage(this.#partition.clamp(asked), maxBytes, app);
    await this.#parts.scheduler.handOut(read.bytes);
    return read.page;
  }

  /** One page for all who ask for the same while it is being read. */
  async #sharedPage(from: Position, maxBytes: number, app: AppId): Promise<ReadPage> {
    const key = `${app} ${from.offset} ${from.line} ${maxBytes}`;
    for (let other = this.#readings.get(key); other?.page; other = this.#readings.get(key)) {
      const { previous } = this.#partition.headOf(app);
      const read = await other.page;
      // It may have been begun before lines became durable that this reader must find.
      if (read.reaches(previous?.offset ?? -1)) return read;
    }
    const page = this.#partition.whileKept(() => this.#read(from, maxBytes, app));
    const reading: Reading = { page };
    this.#readings.set(key, reading);
    return page.finally(() => {
      reading.page = undefined;
      this.#readings.delete(key);
    });
  }

  async #read(asked: Position, maxBytes: number, app: AppId): Promise<ReadPage> {
    const from = this.#partition.clamp(asked);
    const head = this.#partition.head(app);
    const stretches: Stretch[] = [];
    let next: Bound | undefined;
    let bytes = 0;
    for (const segment of this.#partition.segmentsFrom(from.offset, head.previous)) {
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

  #fetch(app: AppId, { segment, run, start, end }: Stretch): Promise<Buffer[]> {
    const extents: Extent[] = [];
    for (let i = start; i < end; i++) extents.push({ fileAt: run.fileAt(i), bytes: run.bytes(i) });
    return this.#parts.scheduler.fetch(app, segment, extents);
  }

  #decode({ segment, run, start }: Stretch, fetched: readonly Buffer[]): StoredRecord[] {
    const records: StoredRecord[] = [];
    let i = start;
    for (const bytes of fetched) {
      const record = this.#checked(decodeEnvelope(bytes, 0, segment.salt), run, i, records.at(-1));
      if (record) records.push(record);
      else this.#parts.onCorrupt(segment.path, run.fileAt(i));
      i++;
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
    return {
      appSeq: seqWithin(run, start, from),
      previous: this.#partition.previousOf(run, start),
    };
  }

  /** The record, when it is the one that the index means; `before` is what was read before it. */
  #checked(
    envelope: Envelope | undefined,
    run: AppRun,
    i: number,
    before: StoredRecord | undefined,
  ): StoredRecord | undefined {
    if (envelope?.ordinal !== run.offset(i)) return undefined;
    if (envelope.appSeq !== run.firstSeq + run.linesBefore(i)) return undefined;
    const isNext = before?.position.offset === offsetBefore(run, i);
    return {
      record: decodeRecord(envelope.checked, recordAt),
      position: this.#partition.position(envelope.ordinal),
      appSeq: envelope.appSeq,
      previous: isNext ? before.position : this.#partition.previousOf(run, i),
    };
  }

  #after(run: AppRun, i: number): Bound {
    return {
      position: this.#partition.position(run.offset(i) + 1),
      appSeq: seqAfter(run, i),
      previous: this.#partition.position(run.offset(i)),
    };
  }
}

import type { LogBus, Page, StoredRecord } from '../bus/bus.ts';
import type { Sink } from '../bus/sink.ts';
import type { Clock } from '../core/clock.ts';
import type { AppId } from '../core/ids.ts';
import type { Logger } from '../core/logger.ts';
import { nextRecord, type Position } from '../core/position.ts';
import type { Flushable, FlushTick } from './flush-tick.ts';
import { type LineBatch, takeBatch } from './line-batch.ts';
import { pageBytes, readPage } from './read-page.ts';
import { cutRecord, type RecordSlice } from './record-slice.ts';
import type { TailMetrics } from './tail-metrics.ts';

/** A session that has reached the live head. */
export interface LiveReader {
  push(batch: LineBatch): void;
  /** The app's lines cannot be read any more. */
  destroy(): void;
}

export interface AppTailParts {
  readonly bus: LogBus;
  readonly attach: (app: AppId, sink: Sink) => () => void;
  readonly tick: FlushTick;
  readonly clock: Clock;
  readonly metrics: TailMetrics;
  readonly logger: Logger;
}

/**
 * The live lines of one app, for all of its sessions: in order, each once, whatever the router hands out.
 *
 *   reading ── the next offered record follows what was read, or the log has no more ──► live
 *   live    ── a record's predecessor is not known, or too much waits to be sent     ──► reading
 *
 * A hole is read from the log, once for all sessions.
 */
export class AppTail implements Sink, Flushable {
  readonly #app: AppId;
  readonly #queueBytesMax: number;
  readonly #parts: AppTailParts;
  readonly #gone = new AbortController();
  readonly #readers = new Set<LiveReader>();
  #detach: (() => void) | undefined;
  /** Everything before these has been taken, or is gone from the log. */
  #position: Position | undefined;
  #seq = 0;
  /** Taken, not yet handed to the readers. */
  readonly #taken: RecordSlice[] = [];
  #takenBytes = 0;
  /** The readers have got everything before this appSeq. */
  #pushedSeq = 0;
  #isReading = true;
  #hasFailed = false;
  /** Offered while reading: the newest of them, without holes between them unless the router made some. */
  readonly #offered: StoredRecord[] = [];
  #offeredBytes = 0;
  #offers = 0;
  #checkedOffers = -1;
  readonly #waiting = new Set<() => void>();

  constructor(
    options: { readonly app: AppId; readonly queueBytesMax: number },
    parts: AppTailParts,
  ) {
    this.#app = options.app;
    this.#queueBytesMax = options.queueBytesMax;
    this.#parts = parts;
  }

  /** Starts at the app's head. The sink comes first, so that nothing can pass between the two. */
  async open(): Promise<void> {
    this.#detach = this.#parts.attach(this.#app, this);
    const head = await this.#head();
    this.#position = head.position;
    this.#seq = this.#pushedSeq = head.appSeq;
    const hasHole = this.#meetsOffered() === false;
    this.#isReading = false;
    if (hasHole) this.#readFromHere();
  }

  close(): void {
    this.#detach?.();
    this.#gone.abort();
    this.#wake();
  }

  /** Readers have got every line before this appSeq. */
  get pushedSeq(): number {
    return this.#pushedSeq;
  }

  /** From now on `reader` gets every batch; it skips by appSeq what it has. */
  join(reader: LiveReader): void {
    if (this.#hasFailed) reader.destroy();
    else this.#readers.add(reader);
  }

  leave(reader: LiveReader): void {
    this.#readers.delete(reader);
  }

  offer(stored: StoredRecord): void {
    this.#offers++;
    if (!this.#isReading && this.#takenBytes < this.#queueBytesMax && this.#follow(stored)) return;
    this.#offered.push(stored);
    this.#offeredBytes += stored.record.frames.length;
    while (this.#offeredBytes > this.#queueBytesMax) this.#dropFirstOffered();
    this.#readFromHere();
  }

  flush(): boolean {
    const batch = takeBatch(this.#taken, pageBytes);
    if (batch) {
      for (const slice of batch.slices) this.#takenBytes -= slice.end - slice.start;
      this.#pushedSeq = batch.toSeq;
      for (const reader of this.#readers) reader.push(batch);
    }
    if (this.#taken.length === 0) this.#pushedSeq = this.#seq;
    this.#wake();
    return this.#taken.length > 0;
  }

  /** Looks whether the app has lines that were never offered: the last one before silence leaves no hole to see. */
  async check(): Promise<void> {
    const wasQuiet = this.#offers === this.#checkedOffers;
    this.#checkedOffers = this.#offers;
    if (!wasQuiet || this.#isReading) return;
    const head = await this.#head();
    if (head.appSeq > this.#seq) this.#readFromHere();
  }

  /** Resolves when the readers have been handed every line that was durable when it was called. */
  async settle(): Promise<void> {
    const head = await this.#head();
    this.#parts.tick.hurry(this);
    const isOver = (): boolean => this.#gone.signal.aborted || this.#hasFailed;
    while (!isOver() && (this.#seq < head.appSeq || this.#taken.length > 0)) {
      if (this.#seq < head.appSeq) this.#readFromHere();
      await this.#change();
    }
  }

  /** Takes a live record, or finds that it has it already; false when there is a hole before it. */
  #follow(stored: StoredRecord): boolean {
    const next = this.#position;
    if (!next) return false;
    if (stored.position.offset < next.offset) return true;
    if (stored.previous !== null && stored.previous.offset >= next.offset) return false;
    this.#take(stored);
    return true;
  }

  #take(stored: StoredRecord): void {
    const { lines, frames } = stored.record;
    this.#position = nextRecord(stored.position);
    this.#seq = stored.appSeq + lines;
    const wasEmpty = this.#taken.length === 0;
    this.#taken.push(...cutRecord(stored, 0, Infinity, pageBytes));
    this.#takenBytes += lines > 0 ? frames.length : 0;
    if (this.#takenBytes >= pageBytes) this.#parts.tick.hurry(this);
    else if (wasEmpty) this.#parts.tick.mark(this);
  }

  #readFromHere(): void {
    if (this.#isReading || !this.#position) return;
    this.#isReading = true;
    this.#parts.metrics.holeReads++;
    this.#readUntilLive(this.#position).catch((error: unknown) => {
      if (this.#gone.signal.aborted) return;
      this.#parts.logger.error({ app: this.#app, err: error }, 'tail.read_failed');
      this.#hasFailed = true;
      for (const reader of this.#readers) reader.destroy();
      this.#wake();
    });
  }

  async #readUntilLive(from: Position): Promise<void> {
    const { signal } = this.#gone;
    for (let next = from; ; next = this.#position ?? next) {
      while (this.#takenBytes >= pageBytes) await this.#change();
      signal.throwIfAborted();
      const page = await readPage(this.#parts, this.#app, next, signal);
      this.#takePage(page);
      if (this.#meetsOffered() ?? page.atHead) break;
      // Read to its end, and yet a record before the offered one is missing: not to be asked for in a tight loop.
      if (page.atHead && page.records.length === 0) await this.#parts.clock.sleep(retryMs, signal);
    }
    this.#isReading = false;
    this.#wake();
  }

  #takePage(page: Page): void {
    const from = this.#position;
    for (const stored of page.records) {
      if (!from || stored.position.offset >= from.offset) this.#take(stored);
    }
    this.#position = page.next.position;
    this.#seq = page.next.appSeq;
    if (this.#taken.length === 0) this.#pushedSeq = this.#seq;
    this.#wake();
  }

  /** True when the offered records went on from what was read, false when a hole is left, undefined without any. */
  #meetsOffered(): boolean | undefined {
    let met: boolean | undefined;
    for (let first = this.#offered[0]; first; first = this.#offered[0]) {
      const seq = this.#seq;
      if (!this.#follow(first)) return false;
      if (this.#seq !== seq) met = true;
      this.#dropFirstOffered();
    }
    return met;
  }

  #dropFirstOffered(): void {
    this.#offeredBytes -= this.#offered.shift()?.record.frames.length ?? 0;
  }

  async #head(): Promise<{ position: Position; appSeq: number }> {
    const { bus } = this.#parts;
    return (await bus.bounds(bus.partitionOf(this.#app), this.#app)).head;
  }

  /** Resolves when something was taken, flushed or closed. */
  #change(): Promise<void> {
    return new Promise((resolve) => this.#waiting.add(resolve));
  }

  #wake(): void {
    for (const resolve of this.#waiting) resolve();
    this.#waiting.clear();
  }
}

const retryMs = 100;

import type { LogBus, StoredRecord } from '../bus/bus.ts';
import type { Sink } from '../bus/sink.ts';
import { backoffMs } from '../core/backoff.ts';
import type { Chance } from '../core/chance.ts';
import type { Clock } from '../core/clock.ts';
import type { AppId, DrainId } from '../core/ids.ts';
import type { Logger } from '../core/logger.ts';
import { comparePositions, type Position } from '../core/position.ts';
import { Wakeup } from '../core/wakeup.ts';
import { cutBatch, type Cut as CutLines } from './batch-cutter.ts';
import type { BatchShape, BatchShapes } from './batch-shape.ts';
import type { Batch, Delivery, Drain, FailureReason, StreamEvents } from './drain.ts';
import { account, newBooks, type Books, type Outcome } from './drain-books.ts';
import type { BooksHolder, WorkerNotices } from './drain-notices.ts';
import type { WorkerMetrics } from './drain-metrics.ts';
import { LineSource, type Item, type Place } from './line-source.ts';
import type { QueueBudget } from './queue-budget.ts';

export interface DrainWorkerOptions {
  readonly id: DrainId;
  readonly app: AppId;
  /** Queued live lines, in bytes; more makes the drain lagging. */
  readonly queueBytesMax: number;
  readonly readBytesMax: number;
  readonly batchBytesMax: number;
  readonly batchLinesMax: number;
  /** How long a line may wait for others to share its batch. */
  readonly batchMsMax: number;
  readonly retryBaseMs: number;
  readonly retryMsMax: number;
  /** After how long without a failure the next one counts as the first again. */
  readonly stableMs: number;
  /** How often a held drain is tried. */
  readonly holdProbeMs: number;
  /** After how long of nothing but failed attempts the drain is disabled. */
  readonly disableAfterMs: number;
  /** Requests that finding one offending line may take before what is left of its piece is given up. */
  readonly splitRequestsMax: number;
  /** After a batch was too large for the receiver, batches stay smaller for so long. */
  readonly smallBatchMs: number;
}

/** What a worker needs of the log. */
export type DrainLog = Pick<LogBus, 'logId' | 'partitionOf' | 'bounds' | 'read'>;

export interface DrainWorkerParts {
  readonly bus: DrainLog;
  /** What the queues of all drains together may hold. */
  readonly budget: QueueBudget;
  /** `events` is undefined for drains that acknowledge: see `Drain`. */
  readonly makeDrain: (events: StreamEvents) => { drain: Drain; isStream: boolean };
  readonly shapes: BatchShapes;
  readonly frameId: (from: Place, lines: number) => string;
  /** Writes the drain's checkpoint entry; survives `kill -9` once it resolves. */
  readonly checkpoint: (books: Books | null) => Promise<void>;
  readonly notices: WorkerNotices;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly logger: Logger;
  readonly metrics: WorkerMetrics;
}

/** What the owner may know of a drain's condition. */
export interface DrainCondition {
  readonly state: 'live' | 'lagging' | 'catching up' | 'held' | 'paused' | 'disabled';
  readonly lastSuccessMs: number | undefined;
  /** The last failure, also when attempts have succeeded since. */
  readonly lastError: LastError | undefined;
  /** The last attempt has failed. */
  readonly isFailing: boolean;
  readonly nextAttemptMs: number | undefined;
}

export interface LastError {
  readonly reason: FailureReason;
  /** What the receiver answered, where it did. */
  readonly status: number | undefined;
  readonly atMs: number;
}

interface Cut extends CutLines {
  readonly shape: BatchShape;
}

/** A batch that is already decided on: so many lines from the front of the queue, its L10 if any, and its shape. */
type Plan = Pick<Cut, 'lines' | 'overflow' | 'shape'>;

/** What a stream has taken and not confirmed. Its lines are in the log, and nowhere else. */
interface Taken extends Omit<Cut, 'body' | 'from' | 'shape'> {
  /** Where the batch ended that was sent: what comes up to `to` was filtered. */
  readonly sentTo: Position;
}

/**
 * One drain's own loop: cut a batch, send it, learn what became of it, account for it, go on. Everything that
 * it waits for, it waits for alone.
 *
 * ```
 *          ┌──────────────── delivered, refused ◄────────────────┐
 *   fill ─►│ cut ─► checkpoint the range ─► deliver ─► outcome ──┤
 *          └──► written: the cursor waits for `confirmed`        ├─ retry ─► back-off ─► the same batch
 *               `broken`: everything since the cursor again      ├─ split ─► two pieces, in order
 *                                                                └─ hold  ─► 5 min ─► the same batch
 * ```
 */
export class DrainWorker implements Sink, BooksHolder {
  readonly id: DrainId;
  readonly app: AppId;
  readonly #options: DrainWorkerOptions;
  readonly #parts: DrainWorkerParts;
  readonly #source: LineSource;
  readonly #drain: Drain;
  readonly #isStream: boolean;
  readonly #wakeup: Wakeup;
  readonly #stop = new AbortController();
  /** Ends a back-off: at the flush, which does not sit through it. */
  readonly #hurry = new AbortController();
  /** Batches that a stream has taken but not confirmed, oldest first. */
  readonly #unconfirmed: Taken[] = [];
  #books: Books;
  /** The next batches: the one to be sent again, or the pieces of one that was split. */
  #plans: Plan[] = [];
  /** Lines at the front of the queue that are being sent: they stay there until they are dealt with. */
  #sendingLines = 0;
  #splitRequests = 0;
  /** What was not too large for the receiver, and until when that is remembered. */
  #smallBytesMax = Infinity;
  #smallUntilMs = 0;
  #isFlushing = false;
  #isHeld = false;
  /** The last attempt failed. */
  #isFailing = false;
  /** The receiver did not want the batch with the L10 in it: first it is to take something without. */
  #isOwedUnwanted = false;
  #isRemoved = false;
  /** Memory was short: lines that are read again are sent at once, or they would be let go again while they wait. */
  #isShort = false;
  #bytesSinceYield = 0;
  #waitingSinceMs: number | undefined;
  #attempts = 0;
  #failingSinceMs: number | undefined;
  #lastFailureAtMs = -Infinity;
  #notBeforeMs = 0;
  #lastSuccessMs: number | undefined;
  /** Undefined once an attempt has succeeded. */
  #lastFailure: FailureReason | undefined;
  #lastError: DrainCondition['lastError'];
  #running: Promise<void> = Promise.resolve();
  #brokenReason: FailureReason | undefined;
  /** The checkpoint is behind the books: there was no room for it. */
  #isUnsaved = false;

  constructor(options: DrainWorkerOptions, parts: DrainWorkerParts, books: Books) {
    this.id = options.id;
    this.app = options.app;
    this.#options = options;
    this.#parts = parts;
    this.#books = books;
    this.#wakeup = new Wakeup({ clock: parts.clock });
    const from = books.cursor;
    const { bus, budget } = parts;
    const released = (): void => {
      this.#isShort = true;
      this.#wakeup.ring();
    };
    this.#source = new LineSource(options, { bus, budget, app: options.app, from, released });
    const { drain, isStream } = parts.makeDrain({
      confirmed: (position) => this.#confirmed(position),
      broken: (reason) => this.#broken(reason),
    });
    this.#drain = drain;
    this.#isStream = isStream;
    this.#planAgain();
  }

  get books(): Books {
    return this.#books;
  }

  /** Changes the books in one step and writes them. */
  change(step: (books: Books) => Books): Promise<void> {
    this.#books = step(this.#books);
    return this.#parts.checkpoint(this.#books);
  }

  get condition(): DrainCondition {
    const { clock } = this.#parts;
    const waitMs = this.#notBeforeMs - clock.monotonicMs();
    return {
      state: this.#state(),
      lastSuccessMs: this.#lastSuccessMs,
      lastError: this.#lastError,
      isFailing: this.#lastFailure !== undefined,
      nextAttemptMs: waitMs > 0 ? clock.nowMs() + waitMs : undefined,
    };
  }

  get queuedBytes(): number {
    return this.#source.bytes;
  }

  start(): void {
    this.#running = this.#run();
  }

  offer(stored: StoredRecord): void {
    const hadLines = this.#waitingLines() > 0;
    const isTaken = this.#source.offer(stored);
    if (!hadLines && isTaken) this.#waitingSinceMs = this.#parts.clock.monotonicMs();
    if (!isTaken || !hadLines || this.#isFull()) this.#wakeup.ring();
  }

  /** Sends what is queued, without back-off, and ends; what is left is in the log. */
  async close(signal: AbortSignal): Promise<void> {
    this.#isFlushing = true;
    this.#hurry.abort();
    const abort = (): void => this.#stop.abort();
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    this.#wakeup.ring();
    await this.#running;
    await this.#drain.close(signal);
    signal.removeEventListener('abort', abort);
    this.#source.close();
    await this.#save(this.#books);
  }

  /** Ends at once: nothing is sent any more, and the books close. */
  async remove(): Promise<void> {
    // First, so that a write that is stuck ends as the drain ends it, not as one that is given up.
    const closed = this.#drain.close(AbortSignal.abort());
    this.#stop.abort();
    await closed;
    await this.#running;
    this.#source.close();
    this.#isRemoved = true;
    await this.#parts.checkpoint(null);
  }

  async #run(): Promise<void> {
    const { logger, clock } = this.#parts;
    while (!this.#stop.signal.aborted) {
      try {
        await this.#parts.notices.settle(this);
        if (this.#books.isDisabled) await this.#followHead();
        else await this.#turn();
      } catch (error) {
        if (this.#stop.signal.aborted) return;
        logger.error({ drainId: this.id, err: error }, 'drain.turn_failed');
        this.#startOver();
        await clock.sleep(this.#options.retryBaseMs, this.#stop.signal).catch(() => undefined);
      }
      if (this.#isFlushing && !this.#canFlush()) return;
    }
  }

  /** After a turn that failed half-way: what it had taken off the queue and not dealt with comes again, unchanged. */
  #startOver(): void {
    this.#splitRequests = 0;
    this.#sendingLines = 0;
    this.#planAgain();
    this.#source.rewind(this.#unconfirmed.at(-1)?.to ?? this.#books.cursor);
  }

  /** The batch that the checkpoint has as being sent is sent again, unchanged. */
  #planAgain(): void {
    const range = this.#books.inflight[0];
    if (range?.from.seq !== this.#books.cursor.seq) this.#plans = [];
    else this.#plans = [{ ...range, shape: this.#parts.shapes.of(range.options) }];
  }

  /** While flushing there is something to do as long as the last attempt went well and lines are queued. */
  #canFlush(): boolean {
    if (this.#books.isDisabled || this.#isFailing || this.#source.first?.kind !== 'record') {
      return false;
    }
    const [plan] = this.#plans;
    return plan ? this.#source.lines >= plan.lines : this.#source.isLive;
  }

  async #turn(): Promise<void> {
    const cut = await this.#nextCut();
    if (!cut) return;
    await this.#yield(cut.body.length);
    if (cut.messages > 0 || cut.overflow) await this.#send(cut);
    else if (this.#unconfirmed.length > 0) this.#taken(cut);
    else await this.#accountFor(cut, { filtered: cut.lines });
  }

  /** Between drains the event loop is shared by bytes: a page that is in memory must not be sent in one turn of it. */
  async #yield(bytes: number): Promise<void> {
    this.#bytesSinceYield += bytes;
    if (this.#bytesSinceYield < yieldBytes) return;
    this.#bytesSinceYield = 0;
    await new Promise((resolve) => setImmediate(resolve));
  }

  async #nextCut(): Promise<Cut | undefined> {
    await this.#fill();
    const { first } = this.#source;
    if (!first) return undefined;
    if (first.kind !== 'record') {
      if (this.#isFlushing) return undefined;
      if (this.#unconfirmed.length === 0) await this.#takeHole(first);
      else await this.#wakeup.wait(this.#stop.signal, this.#parts.notices.dueInMs(this.#books));
      return undefined;
    }
    // A batch that was decided on is sent whole, or after the next start.
    if ((this.#plans[0]?.lines ?? 0) > this.#source.lines && this.#isFlushing) return undefined;
    const cut = this.#cutFromSource();
    this.#sendingLines = cut?.lines ?? 0;
    this.#waitingSinceMs = this.#waitingLines() > 0 ? this.#parts.clock.monotonicMs() : undefined;
    return cut;
  }

  #cutFromSource(): Cut | undefined {
    const plan = this.#plans.shift();
    const shape = plan?.shape ?? this.#parts.shapes.current;
    this.#isShort = false;
    const limits = plan
      ? { bytesMax: Infinity, linesMax: plan.lines }
      : { bytesMax: this.#batchBytesMax, linesMax: this.#options.batchLinesMax };
    const overflow = plan ? plan.overflow : this.#owed();
    const drain = { id: this.id, overflow };
    const cut = cutBatch(this.#source.items(), limits, shape.encoder, drain);
    return cut && { ...cut, shape };
  }

  /** Queued lines that are not part of the batch that is being sent. */
  #waitingLines(): number {
    return this.#source.lines - this.#sendingLines;
  }

  /** Waits until a batch is due: full, old enough, or cut off by a hole; or until there is something else to do. */
  async #fill(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      this.#rewindWhenBroken();
      await this.#waitForTurn();
      while (this.#mustRead()) await this.#source.read();
      this.#source.filled();
      this.#waitingSinceMs ??= this.#source.lines > 0 ? this.#parts.clock.monotonicMs() : undefined;
      const waitMs = this.#waitMs();
      if (waitMs === 0 || this.#isFlushing) return;
      const dueMs = this.#parts.notices.dueInMs(this.#books);
      if (dueMs === 0) return;
      await this.#wakeup.wait(signal, earlier(waitMs, dueMs));
    }
  }

  /** A page of the log is wanted: the live head is not met yet, and the next batch is not whole. */
  #mustRead(): boolean {
    if (this.#source.isLive || this.#isFlushing || this.#stop.signal.aborted) return false;
    if (this.#source.first && this.#source.first.kind !== 'record') return false;
    const [plan] = this.#plans;
    // An L10 that goes alone needs a line to stand before.
    return plan ? this.#source.lines < Math.max(1, plan.lines) : !this.#isFull();
  }

  /** How long the queue's front still waits for company; undefined while there is nothing to send. */
  #waitMs(): number | undefined {
    const { first } = this.#source;
    if (!first) return undefined;
    if (first.kind !== 'record' || this.#isFull() || this.#plans.length > 0) return 0;
    if (this.#source.lines === 0) return undefined;
    if (this.#isFlushing || this.#isShort || !this.#source.isLive) return 0;
    const sinceMs = this.#waitingSinceMs ?? this.#parts.clock.monotonicMs();
    return Math.max(0, sinceMs + this.#options.batchMsMax - this.#parts.clock.monotonicMs());
  }

  #isFull(): boolean {
    const { batchLinesMax } = this.#options;
    return this.#source.bytes >= this.#batchBytesMax || this.#source.lines >= batchLinesMax;
  }

  get #batchBytesMax(): number {
    const isSmall = this.#parts.clock.monotonicMs() < this.#smallUntilMs;
    const { batchBytesMax } = this.#options;
    return isSmall ? Math.min(this.#smallBytesMax, batchBytesMax) : batchBytesMax;
  }

  async #send(cut: Cut): Promise<void> {
    const batch = {
      id: this.#parts.frameId(cut.from, cut.lines),
      to: cut.to.position,
      messages: cut.messages + (cut.overflow ? 1 : 0),
      body: cut.body,
      ...(cut.shape.contentType === undefined ? {} : { contentType: cut.shape.contentType }),
    };
    if (!this.#isStream) await this.#saveInflight(cut);
    for (;;) {
      await this.#waitForTurn();
      // A stream that broke meanwhile is sent what came before this batch first.
      if (this.#stop.signal.aborted || this.#brokenReason !== undefined) break;
      const startedMs = this.#parts.clock.monotonicMs();
      if (this.#isStream) this.#taken(cut);
      const delivery = await this.#deliver(batch);
      const seconds = (this.#parts.clock.monotonicMs() - startedMs) / 1000;
      this.#parts.metrics.attempted(delivery, batch.body.length, seconds);
      if (this.#stop.signal.aborted && delivery.kind === 'retry') break;
      if (await this.#learn(cut, delivery)) {
        cut.shape.encoder.recycle(cut.body);
        break;
      }
      if (this.#isFlushing) break;
      if (this.#source.isLive && this.#source.bytes <= this.#options.queueBytesMax) continue;
      // A laggard holds nothing while it waits: the log makes the same batch again.
      const { lines, overflow, shape } = cut;
      this.#plans.unshift({ lines, overflow, shape });
      this.#source.release();
      break;
    }
    this.#sendingLines = 0;
  }

  async #deliver(batch: Batch): Promise<Delivery> {
    try {
      return await this.#drain.deliver(batch, this.#stop.signal);
    } catch (error) {
      this.#parts.logger.error({ drainId: this.id, err: error }, 'drain.deliver_failed');
      return { kind: 'retry', reason: 'protocol' };
    }
  }

  /** What became of an attempt; true when the batch is dealt with, false when it is to be sent again. */
  async #learn(cut: Cut, delivery: Delivery): Promise<boolean> {
    this.#isFailing = delivery.kind === 'retry' || delivery.kind === 'hold';
    switch (delivery.kind) {
      case 'delivered':
        this.#succeeded();
        await this.#delivered(cut, Math.min(delivery.rejected, cut.messages));
        return true;
      case 'written':
        return true;
      case 'refused':
        this.#succeeded();
        await this.#refused(cut, delivery.status);
        return true;
      case 'split':
        this.#succeeded();
        await this.#split(cut, delivery.status);
        return true;
      case 'retry':
      case 'hold':
        return this.#failed(delivery);
    }
  }

  async #delivered(cut: Cut, rejected: number): Promise<void> {
    this.#settleOwed(cut);
    if (this.#splitRequests > 0) this.#countSplitRequest();
    this.#isOwedUnwanted = false;
    if (rejected > 0) this.#noteRefusal(cut, rejected, 200);
    await this.#accountFor(cut, {
      delivered: cut.messages - rejected,
      refused: rejected,
      filtered: cut.lines - cut.messages,
    });
  }

  async #refused(cut: Cut, status: number): Promise<void> {
    this.#isOwedUnwanted ||= cut.overflow !== undefined;
    if (cut.messages > 0) this.#noteRefusal(cut, cut.messages, status);
    await this.#accountFor(cut, { refused: cut.messages, filtered: cut.lines - cut.messages });
  }

  #noteRefusal(cut: Cut, count: number, status: number): void {
    const { seq: fromSeq } = cut.from;
    this.#books = this.#parts.notices.refused(this.#books, { fromSeq, count, status });
  }

  /**
   * Two halves in place of the batch; what cannot be halved, or would take too many requests, is refused. The
   * pieces go without the L10, which may be what the receiver does not want.
   */
  async #split(cut: Cut, status: number): Promise<void> {
    const isTooLarge = status === contentTooLarge;
    // Every halving of what is too large gets nearer to what fits; only the search for what offends is bounded.
    const isSpent = !isTooLarge && ++this.#splitRequests >= this.#options.splitRequestsMax;
    // The pieces are new batches, of the shape that new ones have.
    const piece = { overflow: undefined, shape: this.#parts.shapes.current };
    if (cut.overflow && cut.lines <= 1) {
      this.#isOwedUnwanted = true;
      if (cut.lines === 1) this.#plans.unshift({ lines: 1, ...piece });
    } else if (isSpent || cut.lines <= 1) {
      // What is unsent are new batches, each with its own requests.
      this.#splitRequests = 0;
      await this.#refused(cut, status);
    } else {
      if (isTooLarge) this.#keepSmall(cut.body.length / 2);
      const half = Math.ceil(cut.lines / 2);
      this.#isOwedUnwanted ||= cut.overflow !== undefined;
      this.#plans.unshift({ lines: half, ...piece }, { lines: cut.lines - half, ...piece });
    }
  }

  /** A good piece of a batch in which something offends: the rest of it has fewer requests left. */
  #countSplitRequest(): void {
    this.#splitRequests++;
    if (this.#splitRequests >= this.#options.splitRequestsMax) this.#splitRequests = 0;
  }

  #keepSmall(bytes: number): void {
    this.#smallBytesMax = Math.max(1, Math.floor(bytes));
    this.#smallUntilMs = this.#parts.clock.monotonicMs() + this.#options.smallBatchMs;
  }

  /** Counts a failure and says when to try again. A stream starts over from the cursor. */
  #failed(delivery: Extract<Delivery, { kind: 'retry' | 'hold' }>): boolean {
    const { clock, logger } = this.#parts;
    const isNew = this.#lastFailure !== delivery.reason;
    const level = isNew ? 'warn' : 'debug';
    const fields = { drainId: this.id, reason: delivery.reason, attempt: this.#attempts };
    logger[level](fields, 'drain.delivery_failed');
    if (delivery.kind === 'retry' && delivery.certificate !== undefined) {
      this.#parts.notices.certificateRefused(this.#books, delivery.certificate);
    }
    if (delivery.kind === 'hold' && (isNew || !this.#isHeld)) {
      this.#parts.notices.held(this.#books, holdReason(delivery));
    }
    const now = clock.monotonicMs();
    this.#isHeld = delivery.kind === 'hold';
    this.#countFailure(delivery, now);
    this.#notBeforeMs =
      now +
      (delivery.kind === 'hold' ? this.#options.holdProbeMs : this.#retryMs(delivery.afterMs));
    if (this.#books.failingForMs >= this.#options.disableAfterMs) {
      this.#disable();
      return true;
    }
    void this.#save(this.#books);
    if (!this.#isStream) return false;
    this.#brokenReason ??= delivery.reason;
    return true;
  }

  #countFailure(
    { reason, status }: { reason: FailureReason; status?: number },
    nowMs: number,
  ): void {
    this.#attempts++;
    this.#lastFailure = reason;
    this.#lastError = { reason, status, atMs: this.#parts.clock.nowMs() };
    this.#lastFailureAtMs = nowMs;
    const passedMs = nowMs - (this.#failingSinceMs ?? nowMs);
    this.#failingSinceMs = nowMs;
    this.#books = { ...this.#books, failingForMs: this.#books.failingForMs + passedMs };
  }

  #retryMs(afterMs: number | undefined): number {
    const { retryBaseMs: baseMs, retryMsMax: maxMs } = this.#options;
    const backoff = backoffMs({ baseMs, maxMs }, this.#attempts - 1, this.#parts.chance.fraction());
    return afterMs ?? backoff;
  }

  #succeeded(): void {
    const { clock, logger } = this.#parts;
    const now = clock.monotonicMs();
    if (this.#lastFailure !== undefined) logger.info({ drainId: this.id }, 'drain.recovered');
    if (now - this.#lastFailureAtMs >= this.#options.stableMs) this.#attempts = 0;
    this.#lastSuccessMs = clock.nowMs();
    this.#lastFailure = undefined;
    this.#failingSinceMs = undefined;
    this.#isHeld = false;
    this.#notBeforeMs = 0;
    if (this.#books.failingForMs > 0) this.#books = { ...this.#books, failingForMs: 0 };
  }

  /** Back-off. The queue goes on filling meanwhile, until it overflows and is freed; notices go on being written. */
  async #waitForTurn(): Promise<void> {
    const { clock, notices } = this.#parts;
    if (this.#notBeforeMs <= clock.monotonicMs()) return;
    const signal = AbortSignal.any([this.#stop.signal, this.#hurry.signal]);
    while (!signal.aborted) {
      const waitMs = this.#notBeforeMs - clock.monotonicMs();
      if (waitMs <= 0) return;
      const sliceMs = earlier(waitMs, notices.dueInMs(this.#books)) ?? waitMs;
      await clock.sleep(sliceMs, signal).catch(() => undefined);
      if (!signal.aborted) await notices.settle(this);
    }
  }

  async #accountFor(cut: Cut, ends: Partial<Record<Outcome, number>>): Promise<void> {
    this.#count(ends);
    const lastLineMs = cut.lastLineMs || this.#books.lastLineMs;
    this.#sendingLines = 0;
    this.#source.passed(cut.to);
    if (this.#plans.length === 0) this.#splitRequests = 0;
    await this.#save({ ...account(this.#books, cut.to, ends), lastLineMs, inflight: [] });
  }

  #count(ends: Partial<Record<Outcome, number>>): void {
    this.#parts.metrics.accounted(ends);
  }

  /** Lines that are gone are lost; on a log that is not the one we knew, everything starts anew. */
  async #takeHole(hole: Extract<Item, { kind: 'gap' | 'restart' }>): Promise<void> {
    this.#plans = [];
    this.#source.shift();
    if (hole.kind === 'restart') {
      this.#parts.logger.warn({ drainId: this.id }, 'drain.books_restarted');
      this.#parts.metrics.uncountedGap();
      const { notices } = this.#parts;
      const { owed, notices: pending } = this.#books;
      const fresh = { ...newBooks(hole.to, this.#parts.clock.nowMs()), owed, notices: pending };
      await this.#save(notices.lost(fresh, { fromSeq: hole.to.seq, lines: 0, exact: false }));
      return;
    }
    this.#parts.logger.warn({ drainId: this.id, lines: hole.lines }, 'drain.lines_lost');
    this.#count({ lost: hole.lines });
    const { uncountedTo } = this.#books;
    const { seq: fromSeq } = this.#books.cursor;
    const exact = uncountedTo === undefined || hole.to.seq < uncountedTo || fromSeq >= uncountedTo;
    if (!exact) this.#parts.metrics.uncountedGap();
    const books = {
      ...account(this.#books, hole.to, { lost: hole.lines }),
      inflight: [],
      uncountedTo: exact ? uncountedTo : undefined,
    };
    await this.#save(this.#parts.notices.lost(books, { fromSeq, lines: hole.lines, exact }));
  }

  /** A stream has it now. Ranges of nothing but filtered lines join the one before them. */
  #taken(cut: Cut): void {
    const { to, lines, messages, overflow, lastLineMs } = cut;
    const last = this.#unconfirmed.at(-1);
    if (last && messages === 0 && !overflow) {
      this.#unconfirmed.pop();
      this.#unconfirmed.push({ ...last, to, lines: last.lines + lines, lastLineMs });
    } else {
      this.#unconfirmed.push({ to, sentTo: to.position, lines, messages, overflow, lastLineMs });
    }
    this.#sendingLines = 0;
    this.#source.passed(to);
  }

  /** A stream tells how far the receiver is known to have come. */
  #confirmed(position: Position): void {
    let isMoved = false;
    for (let taken = this.#unconfirmed[0]; taken; taken = this.#unconfirmed[0]) {
      if (comparePositions(taken.sentTo, position) > 0) break;
      this.#unconfirmed.shift();
      this.#settleOwed(taken);
      const ends = { delivered: taken.messages, filtered: taken.lines - taken.messages };
      this.#count(ends);
      const lastLineMs = taken.lastLineMs || this.#books.lastLineMs;
      this.#books = { ...account(this.#books, taken.to, ends), lastLineMs };
      isMoved = true;
    }
    if (!isMoved) return;
    this.#succeeded();
    this.#wakeup.ring();
    void this.#save(this.#books);
  }

  #broken(reason: FailureReason): void {
    this.#brokenReason = reason;
    this.#wakeup.ring();
  }

  /** After a break everything that is not confirmed is read and sent again. */
  #rewindWhenBroken(): void {
    if (this.#brokenReason === undefined) return;
    const nowMs = this.#parts.clock.monotonicMs();
    if (this.#notBeforeMs <= nowMs && this.#unconfirmed.length > 0) {
      this.#countFailure({ reason: this.#brokenReason }, nowMs);
      this.#notBeforeMs = nowMs + this.#retryMs(undefined);
    }
    this.#brokenReason = undefined;
    this.#unconfirmed.length = 0;
    this.#plans = [];
    this.#source.rewind(this.#books.cursor);
  }

  /** The L10 of the next batch; not while the one before, which has it, may still arrive. */
  #owed(): Cut['overflow'] {
    if (!this.#books.owed || this.#isOwedUnwanted) return undefined;
    const isUnderWay = this.#unconfirmed.some(({ overflow }) => overflow !== undefined);
    return isUnderWay ? undefined : this.#books.owed;
  }

  /** The drain has been told; what was lost since then is told with a later batch. */
  #settleOwed({ overflow }: Pick<Cut, 'overflow'>): void {
    const { owed } = this.#books;
    if (!overflow) return;
    const left = (owed?.count ?? 0) - overflow.count;
    this.#books = { ...this.#books, owed: owed && left > 0 ? { ...owed, count: left } : undefined };
  }

  #disable(): void {
    this.#parts.logger.warn({ drainId: this.id }, 'drain.disabled');
    this.#books = { ...this.#books, isDisabled: true, inflight: [] };
    this.#plans = [];
    this.#unconfirmed.length = 0;
    this.#brokenReason = undefined;
    this.#source.rewind(this.#books.cursor);
  }

  /** While a drain is disabled its cursor follows the head, and what it passes is dropped. */
  async #followHead(): Promise<void> {
    const { bus } = this.#parts;
    const { head } = await bus.bounds(bus.partitionOf(this.app), this.app);
    const { cursor } = this.#books;
    const to = { position: head.position, seq: head.appSeq };
    const lines = to.seq - cursor.seq;
    if (cursor.position.logId !== bus.logId || lines < 0) {
      this.#parts.logger.warn({ drainId: this.id }, 'drain.books_restarted');
      this.#parts.metrics.uncountedGap();
      await this.#save({ ...newBooks(to, this.#parts.clock.nowMs()), isDisabled: true });
    } else if (lines > 0) {
      this.#count({ dropped: lines });
      await this.#save(account(this.#books, to, { dropped: lines }));
    }
    if (this.#isFlushing) return;
    await this.#wakeup.wait(this.#stop.signal, this.#parts.notices.dueInMs(this.#books));
  }

  async #saveInflight(cut: Cut): Promise<void> {
    const { from, to, lines, overflow, shape } = cut;
    const range = { from, to, lines, overflow, options: shape.saved };
    await this.#save({ ...this.#books, inflight: [range] });
  }

  /**
   * Without room for a checkpoint the lines go on nevertheless: a crash before there is room again sends them once
   * more, and may cut them into other batches.
   */
  async #save(books: Books): Promise<void> {
    this.#books = books;
    if (this.#isRemoved) return;
    try {
      await this.#parts.checkpoint(books);
      this.#isUnsaved = false;
    } catch (error) {
      const level = this.#isUnsaved ? 'debug' : 'warn';
      this.#parts.logger[level]({ drainId: this.id, err: error }, 'drain.checkpoint_failed');
      this.#isUnsaved = true;
    }
  }

  #state(): DrainCondition['state'] {
    if (this.#books.isDisabled) return 'disabled';
    if (this.#isHeld) return 'held';
    if (this.#source.isLive) return 'live';
    return this.#attempts > 0 ? 'lagging' : 'catching up';
  }
}

const contentTooLarge = 413;

function holdReason({ reason, status }: Extract<Delivery, { kind: 'hold' }>): string {
  return status === undefined ? reason.replaceAll('_', ' ') : `status ${status}`;
}

/** A batch or two: then it is the turn of others. */
const yieldBytes = 64 * 1024;

/** The smaller of two waits, of which either may be endless (undefined). */
function earlier(aMs: number | undefined, bMs: number | undefined): number | undefined {
  if (aMs === undefined || bMs === undefined) return aMs ?? bMs;
  return Math.min(aMs, bMs);
}

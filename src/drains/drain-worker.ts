import type { LogBus, StoredRecord } from '../bus/bus.ts';
import type { Sink } from '../bus/sink.ts';
import { backoffMs } from '../core/backoff.ts';
import type { Chance } from '../core/chance.ts';
import type { Clock } from '../core/clock.ts';
import type { AppId, DrainId } from '../core/ids.ts';
import type { Logger } from '../core/logger.ts';
import { comparePositions, type Position } from '../core/position.ts';
import { Wakeup } from '../core/wakeup.ts';
import { cutBatch, frameId, type BatchEncoder, type Cut } from './batch-cutter.ts';
import type { Delivery, Drain, FailureReason, StreamEvents } from './drain.ts';
import { account, newBooks, type Books, type Outcome } from './drain-books.ts';
import type { BooksHolder, DrainNotices } from './drain-notices.ts';
import type { DrainMetrics } from './drain-metrics.ts';
import { LineSource, type Item } from './line-source.ts';
import { SizeLimit } from './size-limit.ts';

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
  /** Requests that one batch may be cut into before what is left of the offending piece is given up. */
  readonly splitRequestsMax: number;
  /** How long a size that the receiver asked for is kept. */
  readonly sizeKeepMs: number;
}

export interface DrainWorkerParts {
  readonly bus: LogBus;
  /** `events` is undefined for drains that acknowledge: see `Drain`. */
  readonly makeDrain: (events: StreamEvents) => { drain: Drain; isStream: boolean };
  readonly encoder: BatchEncoder;
  /** Writes the drain's checkpoint entry; survives `kill -9` once it resolves. */
  readonly checkpoint: (books: Books | null) => Promise<void>;
  readonly notices: DrainNotices;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly logger: Logger;
  readonly metrics: DrainMetrics;
}

/** What the owner may know of a drain's condition. */
export interface DrainCondition {
  readonly state: 'live' | 'lagging' | 'catching up' | 'held' | 'disabled';
  readonly lastSuccessMs: number | undefined;
  readonly lastFailure: FailureReason | undefined;
  readonly nextAttemptMs: number | undefined;
}

/** A piece of a batch that was too large or had something unacceptable in it. */
interface Piece {
  readonly items: readonly Item[];
  readonly lines: number;
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
  readonly #sizeLimit: SizeLimit;
  readonly #wakeup: Wakeup;
  readonly #stop = new AbortController();
  /** Ends a back-off: at the flush, which does not sit through it. */
  readonly #hurry = new AbortController();
  /** Batches that a stream has taken but not confirmed, oldest first. */
  readonly #unconfirmed: Cut[] = [];
  #books: Books;
  #resend: { lines: number; overflow: Cut['overflow'] } | undefined;
  #pieces: Piece[] = [];
  #splitRequests = 0;
  #isFlushing = false;
  #isHeld = false;
  #isOwedSent = false;
  #waitingSinceMs: number | undefined;
  #attempts = 0;
  #failingSinceMs: number | undefined;
  #lastFailureAtMs = -Infinity;
  #notBeforeMs = 0;
  #lastSuccessMs: number | undefined;
  #lastFailure: FailureReason | undefined;
  #running: Promise<void> = Promise.resolve();
  #brokenReason: FailureReason | undefined;

  constructor(options: DrainWorkerOptions, parts: DrainWorkerParts, books: Books) {
    this.id = options.id;
    this.app = options.app;
    this.#options = options;
    this.#parts = parts;
    this.#books = books;
    this.#wakeup = new Wakeup({ clock: parts.clock });
    const { batchBytesMax: bytesMax, batchLinesMax: linesMax, sizeKeepMs: keepMs } = options;
    this.#sizeLimit = new SizeLimit({ full: { bytesMax, linesMax }, keepMs }, parts);
    const from = books.cursor;
    this.#source = new LineSource(options, { bus: parts.bus, app: options.app, from });
    const { drain, isStream } = parts.makeDrain({
      confirmed: (position) => this.#confirmed(position),
      broken: (reason) => this.#broken(reason),
    });
    this.#drain = drain;
    this.#isStream = isStream;
    const inflight = books.inflight[0];
    if (inflight) this.#resend = { lines: inflight.lines, overflow: inflight.overflow };
  }

  get books(): Books {
    return this.#books;
  }

  /** Changes the books in one step and writes them. */
  change(step: (books: Books) => Books): Promise<void> {
    return this.#save(step(this.#books));
  }

  get condition(): DrainCondition {
    const { clock } = this.#parts;
    const waitMs = this.#notBeforeMs - clock.monotonicMs();
    return {
      state: this.#state(),
      lastSuccessMs: this.#lastSuccessMs,
      lastFailure: this.#lastFailure,
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
    const hadLines = this.#source.lines > 0;
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
    await this.#save(this.#books);
  }

  /** Ends at once: nothing is sent any more, and the books close. */
  async remove(): Promise<void> {
    this.#stop.abort();
    await this.#drain.close(AbortSignal.abort());
    await this.#running;
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
        await clock.sleep(this.#options.retryBaseMs, this.#stop.signal).catch(() => undefined);
      }
      if (this.#isFlushing && !this.#canFlush()) return;
    }
  }

  /** While flushing there is something to do as long as the last attempt went well and live lines are queued. */
  #canFlush(): boolean {
    if (this.#books.isDisabled || this.#attempts > 0 || this.#isHeld) return false;
    return this.#pieces.length > 0 || (this.#source.isLive && this.#source.lines > 0);
  }

  async #turn(): Promise<void> {
    const cut = this.#nextPiece() ?? (await this.#nextCut());
    if (!cut) return;
    if (cut.messages > 0 || cut.overflow) await this.#send(cut);
    else if (this.#unconfirmed.length > 0) this.#unconfirmed.push(cut);
    else await this.#accountFor(cut, { filtered: cut.lines });
  }

  /** A piece of a split batch, which is cut exactly as long as it was planned. */
  #nextPiece(): Cut | undefined {
    const piece = this.#pieces.shift();
    if (!piece) return undefined;
    const overflow = this.#owed();
    const { encoder } = this.#parts;
    const limits = { bytesMax: Infinity, linesMax: piece.lines };
    return cutBatch(piece.items, limits, encoder, { id: this.id, overflow });
  }

  async #nextCut(): Promise<Cut | undefined> {
    await this.#fill();
    const { first } = this.#source;
    if (!first) return undefined;
    if (first.kind !== 'record') {
      if (this.#unconfirmed.length > 0) await this.#wakeup.wait(this.#stop.signal);
      else await this.#takeHole(first);
      return undefined;
    }
    const cut = this.#cutFromSource();
    if (cut) this.#dropFromSource(cut);
    return cut;
  }

  #cutFromSource(): Cut | undefined {
    const { encoder } = this.#parts;
    if (this.#resend) {
      const { lines, overflow } = this.#resend;
      this.#resend = undefined;
      const limits = { bytesMax: Infinity, linesMax: lines };
      return cutBatch(this.#source.items(), limits, encoder, { id: this.id, overflow });
    }
    const limits = this.#sizeLimit.next();
    return cutBatch(this.#source.items(), limits, encoder, { id: this.id, overflow: this.#owed() });
  }

  #dropFromSource(cut: Cut): void {
    for (const item of cut.items) {
      if (item.kind !== 'record') continue;
      const lastLine = item.stored.appSeq + item.stored.record.lines;
      if (lastLine <= cut.to.seq) this.#source.shift();
      else this.#source.shorten(cut.to.seq - item.stored.appSeq);
    }
    this.#waitingSinceMs = this.#source.lines > 0 ? this.#parts.clock.monotonicMs() : undefined;
  }

  /** Waits until a batch is due: full, old enough, or cut off by a hole; or until there is something else to do. */
  async #fill(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      await this.#rewindWhenBroken();
      while (this.#mustRead()) await this.#source.read();
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
    if (this.#resend) return this.#source.lines < this.#resend.lines;
    return this.#source.bytes < this.#options.batchBytesMax;
  }

  /** How long the queue's front still waits for company; undefined while there is nothing to send. */
  #waitMs(): number | undefined {
    const { first } = this.#source;
    if (!first) return undefined;
    if (first.kind !== 'record' || this.#isFull() || this.#resend) return 0;
    if (this.#source.lines === 0) return undefined;
    if (this.#isFlushing || !this.#source.isLive) return 0;
    const sinceMs = this.#waitingSinceMs ?? this.#parts.clock.monotonicMs();
    return Math.max(0, sinceMs + this.#options.batchMsMax - this.#parts.clock.monotonicMs());
  }

  #isFull(): boolean {
    const { batchBytesMax, batchLinesMax } = this.#options;
    return this.#source.bytes >= batchBytesMax || this.#source.lines >= batchLinesMax;
  }

  async #send(cut: Cut): Promise<void> {
    const batch = {
      id: frameId(this.id, cut.from, cut.lines),
      to: cut.to.position,
      messages: cut.messages + (cut.overflow ? 1 : 0),
      body: cut.body,
    };
    if (cut.overflow) this.#isOwedSent = true;
    if (!this.#isStream) await this.#saveInflight(cut);
    for (;;) {
      await this.#waitForTurn();
      // A stream that broke meanwhile is sent what came before this batch first.
      if (this.#stop.signal.aborted || this.#brokenReason !== undefined) return;
      const startedMs = this.#parts.clock.monotonicMs();
      if (this.#isStream) this.#unconfirmed.push(cut);
      const delivery = await this.#drain.deliver(batch, this.#stop.signal);
      const seconds = (this.#parts.clock.monotonicMs() - startedMs) / 1000;
      this.#parts.metrics.attempted(delivery, batch.body.length, seconds);
      if (this.#stop.signal.aborted && delivery.kind === 'retry') return;
      if (await this.#learn(cut, delivery)) {
        this.#parts.encoder.recycle(cut.body);
        return;
      }
      if (this.#isFlushing) return;
    }
  }

  /** What became of an attempt; true when the batch is dealt with, false when it is to be sent again. */
  async #learn(cut: Cut, delivery: Delivery): Promise<boolean> {
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
    this.#sizeLimit.taken({ bytes: cut.body.length, lines: cut.lines });
    if (rejected > 0) this.#noteRefusal(cut, rejected, 200);
    await this.#accountFor(cut, {
      delivered: cut.messages - rejected,
      refused: rejected,
      filtered: cut.lines - cut.messages,
    });
  }

  async #refused(cut: Cut, status: number): Promise<void> {
    this.#noteRefusal(cut, cut.messages, status);
    await this.#accountFor(cut, { refused: cut.messages, filtered: cut.lines - cut.messages });
  }

  #noteRefusal(cut: Cut, count: number, status: number): void {
    const { seq: fromSeq } = cut.from;
    this.#books = this.#parts.notices.refused(this.#books, { fromSeq, count, status });
  }

  /** Two halves in place of the batch; what cannot be halved, or has been halved too often, is refused. */
  async #split(cut: Cut, status: number): Promise<void> {
    if (status === 413) this.#sizeLimit.tooLarge();
    this.#splitRequests++;
    this.#isOwedSent = false;
    const isSpent = this.#splitRequests >= this.#options.splitRequestsMax;
    if (isSpent) this.#splitRequests = 0;
    if (isSpent || cut.lines <= 1) {
      await this.#refused(cut, status);
      return;
    }
    const half = Math.ceil(cut.lines / 2);
    this.#pieces.unshift(
      { items: cut.items, lines: half },
      { items: itemsFrom(cut.items, cut.from.seq + half), lines: cut.lines - half },
    );
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
    const now = clock.monotonicMs();
    this.#isHeld = delivery.kind === 'hold';
    this.#countFailure(delivery.reason, now);
    this.#notBeforeMs =
      now +
      (delivery.kind === 'hold' ? this.#options.holdProbeMs : this.#retryMs(delivery.afterMs));
    if (this.#books.failingForMs >= this.#options.disableAfterMs) {
      this.#disable();
      return true;
    }
    void this.#save(this.#books).catch(() => undefined);
    if (!this.#isStream) return false;
    this.#brokenReason ??= delivery.reason;
    return true;
  }

  #countFailure(reason: FailureReason, nowMs: number): void {
    this.#attempts++;
    this.#lastFailure = reason;
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

  /** Back-off. The queue goes on filling meanwhile, until it overflows and is freed. */
  async #waitForTurn(): Promise<void> {
    const waitMs = this.#notBeforeMs - this.#parts.clock.monotonicMs();
    if (waitMs <= 0 || this.#isFlushing) return;
    const signal = AbortSignal.any([this.#stop.signal, this.#hurry.signal]);
    await this.#parts.clock.sleep(waitMs, signal).catch(() => undefined);
  }

  async #accountFor(cut: Cut, ends: Partial<Record<Outcome, number>>): Promise<void> {
    const last = cut.items.at(-1);
    const lastLineMs =
      last?.kind === 'record' ? last.stored.record.receivedAtMs : this.#books.lastLineMs;
    this.#count(ends);
    await this.#save({ ...account(this.#books, cut.to, ends), lastLineMs, inflight: [] });
    if (this.#pieces.length === 0) this.#splitRequests = 0;
  }

  #count(ends: Partial<Record<Outcome, number>>): void {
    this.#parts.metrics.accounted(ends);
  }

  /** Lines that are gone are lost; on a log that is not the one we knew, everything starts anew. */
  async #takeHole(hole: Extract<Item, { kind: 'gap' | 'restart' }>): Promise<void> {
    this.#resend = undefined;
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
    const { seq: fromSeq } = this.#books.cursor;
    const books = { ...account(this.#books, hole.to, { lost: hole.lines }), inflight: [] };
    await this.#save(this.#parts.notices.lost(books, { fromSeq, lines: hole.lines, exact: true }));
  }

  /** A stream tells how far the receiver is known to have come. */
  #confirmed(position: Position): void {
    let isMoved = false;
    for (let cut = this.#unconfirmed[0]; cut; cut = this.#unconfirmed[0]) {
      const isOver = comparePositions(cut.to.position, position) <= 0;
      // A range of nothing but filtered lines was never sent: it ends with the one before it.
      if (!isOver && !(isMoved && cut.messages === 0 && !cut.overflow)) break;
      this.#unconfirmed.shift();
      this.#settleOwed(cut);
      const ends = { delivered: cut.messages, filtered: cut.lines - cut.messages };
      this.#count(ends);
      this.#books = account(this.#books, cut.to, ends);
      isMoved = true;
    }
    if (!isMoved) return;
    this.#succeeded();
    this.#wakeup.ring();
    void this.#save(this.#books).catch(() => undefined);
  }

  #broken(reason: FailureReason): void {
    this.#brokenReason = reason;
    this.#wakeup.ring();
  }

  /** After a break everything that is not confirmed is read and sent again. */
  async #rewindWhenBroken(): Promise<void> {
    if (this.#brokenReason === undefined) return;
    const nowMs = this.#parts.clock.monotonicMs();
    if (this.#notBeforeMs <= nowMs && this.#unconfirmed.length > 0) {
      this.#countFailure(this.#brokenReason, nowMs);
      this.#notBeforeMs = nowMs + this.#retryMs(undefined);
    }
    this.#brokenReason = undefined;
    this.#unconfirmed.length = 0;
    this.#isOwedSent = false;
    this.#source.rewind(this.#books.cursor);
    await this.#waitForTurn();
  }

  #owed(): Cut['overflow'] {
    return this.#isOwedSent ? undefined : this.#books.owed;
  }

  /** The drain has been told; what was lost since then is told with a later batch. */
  #settleOwed(cut: Cut): void {
    const { overflow } = cut;
    const { owed } = this.#books;
    if (!overflow) return;
    this.#isOwedSent = false;
    const left = (owed?.count ?? 0) - overflow.count;
    this.#books = { ...this.#books, owed: owed && left > 0 ? { ...owed, count: left } : undefined };
  }

  #disable(): void {
    this.#parts.logger.warn({ drainId: this.id }, 'drain.disabled');
    this.#books = { ...this.#books, isDisabled: true, inflight: [] };
    this.#pieces = [];
    this.#unconfirmed.length = 0;
    this.#source.rewind(this.#books.cursor);
  }

  /** While a drain is disabled its cursor follows the head, and what it passes is dropped. */
  async #followHead(): Promise<void> {
    const { bus } = this.#parts;
    const { head } = await bus.bounds(bus.partitionOf(this.app), this.app);
    const lines = head.appSeq - this.#books.cursor.seq;
    if (lines > 0) {
      this.#count({ dropped: lines });
      const to = { position: head.position, seq: head.appSeq };
      await this.#save(account(this.#books, to, { dropped: lines }));
    }
    await this.#wakeup.wait(this.#stop.signal, this.#isFlushing ? 0 : undefined);
  }

  async #saveInflight(cut: Cut): Promise<void> {
    const range = { from: cut.from, lines: cut.lines, overflow: cut.overflow };
    await this.#save({ ...this.#books, inflight: [range] });
  }

  async #save(books: Books): Promise<void> {
    this.#books = books;
    await this.#parts.checkpoint(books);
  }

  #state(): DrainCondition['state'] {
    if (this.#books.isDisabled) return 'disabled';
    if (this.#isHeld) return 'held';
    if (this.#source.isLive) return 'live';
    return this.#attempts > 0 ? 'lagging' : 'catching up';
  }
}

/** The smaller of two waits, of which either may be endless (undefined). */
function earlier(aMs: number | undefined, bMs: number | undefined): number | undefined {
  if (aMs === undefined || bMs === undefined) return aMs ?? bMs;
  return Math.min(aMs, bMs);
}

/** The part of `items` from the app's line number `seq` on. */
function itemsFrom(items: readonly Item[], seq: number): readonly Item[] {
  return items.flatMap((item) => {
    if (item.kind !== 'record') return [];
    const { appSeq, record } = item.stored;
    if (appSeq + record.lines <= seq) return [];
    return [{ ...item, fromLine: Math.max(item.fromLine, seq - appSeq) }];
  });
}

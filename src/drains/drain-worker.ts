import type { LogBus, StoredRecord } from '../bus/bus.ts';
import type { Sink } from '../bus/sink.ts';
import type { Chance } from '../core/chance.ts';
import type { Clock } from '../core/clock.ts';
import type { AppId, DrainId } from '../core/ids.ts';
import type { Logger } from '../core/logger.ts';
import type { LoopShare } from '../core/loop-share.ts';
import { Wakeup } from '../core/wakeup.ts';
import { BatchQueue, type BatchQueueOptions } from './batch-queue.ts';
import { BatchSender } from './batch-sender.ts';
import type { BatchShapes, ShapedCut } from './batch-shape.ts';
import type { DeliveryPaceOptions } from './delivery-pace.ts';
import { ConcurrentSender, type ConcurrentSenderOptions } from './concurrent-sender.ts';
import { DrainAttempts } from './drain-attempts.ts';
import { stateOf, type DrainCondition } from './drain-condition.ts';
import type { Drain, StreamEvents } from './drain.ts';
import type { Books } from './drain-books.ts';
import { DrainLedger } from './drain-ledger.ts';
import type { WorkerMetrics } from './drain-metrics.ts';
import type { WorkerNotices } from './drain-notices.ts';
import type { Place } from './place.ts';
import type { QueueBudget } from './queue-budget.ts';
import { DrainTurns } from './drain-turns.ts';
import { StreamReceipts } from './stream-receipts.ts';

export interface DrainWorkerOptions
  extends BatchQueueOptions, DeliveryPaceOptions, ConcurrentSenderOptions {}

/** What a worker needs of the log. */
export type DrainLog = Pick<LogBus, 'logId' | 'partitionOf' | 'bounds' | 'read'>;

export interface DrainWorkerParts {
  readonly bus: DrainLog;
  /** What the queues of all drains together may hold. */
  readonly budget: QueueBudget;
  /** What drains that catch up may have of the event loop together. */
  readonly catchUp: LoopShare;
  /** `events` are for drains that do not acknowledge: see `Drain`. */
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
export class DrainWorker implements Sink {
  readonly id: DrainId;
  readonly app: AppId;
  readonly #options: DrainWorkerOptions;
  readonly #parts: DrainWorkerParts;
  readonly #ledger: DrainLedger;
  readonly #attempts: DrainAttempts;
  readonly #queue: BatchQueue;
  readonly #receipts: StreamReceipts;
  readonly #drain: Drain;
  readonly #sender: BatchSender;
  readonly #lanes: ConcurrentSender;
  readonly #turns: DrainTurns;
  readonly #wakeup: Wakeup;
  readonly #stop = new AbortController();
  /** From here on nothing is waited for or read: what is queued is sent once. */
  readonly #flush = new AbortController();
  #running: Promise<void> = Promise.resolve();

  constructor(options: DrainWorkerOptions, parts: DrainWorkerParts, books: Books) {
    this.id = options.id;
    this.app = options.app;
    this.#options = options;
    this.#parts = parts;
    this.#turns = new DrainTurns(parts);
    this.#wakeup = new Wakeup(parts);
    const released = (): void => this.#wakeup.ring();
    const ledger = new DrainLedger(options.id, parts, books);
    const { signal: flush } = this.#flush;
    const attempts = new DrainAttempts(options.id, options, { ...parts, ledger, flush });
    const queue = new BatchQueue(options, { ...parts, released }, books);
    const wakeup = this.#wakeup;
    this.#receipts = new StreamReceipts({ ledger, attempts, queue, wakeup });
    const { drain, isStream } = parts.makeDrain(this.#receipts);
    const unconfirmed = isStream ? this.#receipts.batches : undefined;
    const senderParts = { ...parts, drain, unconfirmed, queue, ledger, attempts, flush };
    const sender = new BatchSender(options.id, senderParts);
    const answered = (): void => this.#wakeup.ring();
    this.#lanes = new ConcurrentSender(options, { ...senderParts, sender, answered }, books);
    this.#sender = sender;
    this.#ledger = ledger;
    this.#attempts = attempts;
    this.#queue = queue;
    this.#drain = drain;
  }

  get books(): Books {
    return this.#ledger.books;
  }

  get condition(): DrainCondition {
    const { pace, nextAttemptMs } = this.#attempts;
    const { lastSuccessMs, lastError, failure } = pace;
    const { isLive } = this.#queue;
    const state = stateOf({ ...pace, isLive, isDisabled: this.books.isDisabled });
    const isFailing = failure !== undefined;
    return { state, lastSuccessMs, lastError, isFailing, nextAttemptMs };
  }

  get queuedBytes(): number {
    return this.#queue.bytes;
  }

  start(): void {
    this.#running = this.#run().then(() => this.#lanes.finish(this.#stop.signal));
  }

  offer(stored: StoredRecord): void {
    if (this.#queue.offer(stored)) this.#wakeup.ring();
  }

  /** Sends what is queued, without back-off, and ends; what is left is in the log. */
  async close(signal: AbortSignal): Promise<void> {
    this.#flush.abort();
    const abort = (): void => this.#stop.abort();
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    this.#wakeup.ring();
    await this.#running;
    await this.#drain.close(signal);
    signal.removeEventListener('abort', abort);
    this.#queue.close();
    await this.#ledger.save();
  }

  /** Ends at once: nothing is sent any more, and the books close. */
  async remove(): Promise<void> {
    // First, so that a write that is stuck ends as the drain ends it, not as one that is given up.
    const closed = this.#drain.close(AbortSignal.abort());
    this.#flush.abort();
    this.#stop.abort();
    await closed;
    await this.#running;
    this.#queue.close();
    await this.#ledger.close();
  }

  async #run(): Promise<void> {
    const { logger, clock, notices } = this.#parts;
    while (!this.#stop.signal.aborted) {
      try {
        await notices.settle(this.#ledger);
        if (this.books.isDisabled) await this.#followHead();
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

  async #turn(): Promise<void> {
    const stop = this.#stop.signal;
    if (await this.#lanes.recover()) return;
    await this.#fill();
    if (this.#lanes.isAnswered) return this.#lanes.learn(stop);
    // Not before now: between the reading and this turn others ask for memory.
    this.#queue.filled();
    if (this.#lanes.isUnderWay && !this.#canStart) return this.#rest();
    if (this.#queue.hole) return this.#passHole();
    const { isFlying } = this.#lanes;
    // A batch that was decided on is sent whole, or after the next start.
    const cut = this.#isFlushing && !this.#queue.hasNext ? undefined : this.#cut();
    if (!cut) return;
    await this.#turns.spend(cut.body.length);
    if (isFlying) await this.#lanes.start(cut, stop);
    else if (cut.messages > 0 || cut.overflow) await this.#sender.send(cut, stop);
    else await this.#sender.pass(cut);
  }

  /** Waits until a batch is due: full, old enough, or cut off by a hole; or until there is something else to do. */
  async #fill(): Promise<void> {
    const { signal } = this.#stop;
    while (!signal.aborted) {
      this.#receipts.rewindWhenBroken();
      if (this.#lanes.isAnswered) return;
      await this.#attempts.wait(signal);
      await this.#nextTurn();
      const { isOpen } = this.#lanes;
      if (isOpen) await this.#queue.fill(this.#flush.signal);
      const batchMs = isOpen ? this.#queue.dueInMs() : undefined;
      if (batchMs === 0 || this.#isFlushing) return;
      const noticeMs = this.#parts.notices.dueInMs(this.books);
      if (noticeMs === 0) return;
      this.#queue.filled();
      await this.#wakeup.wait(signal, earlier(batchMs, noticeMs));
    }
  }

  #cut(): ShapedCut | undefined {
    // Not while the batch before, which has it, may still arrive.
    const isTold = this.#receipts.batches.hasOverflow || this.#lanes.hasOverflow;
    return this.#queue.cut(isTold ? undefined : this.#queue.plans.overflowOf(this.books));
  }

  /** A drain that catches up waits for its turn, but answers of batches that are under way must not wait. */
  #nextTurn(): Promise<void> {
    const mustWait = !this.#queue.isLive && !this.#lanes.isUnderWay;
    return this.#turns.next({ mustWait, signal: this.#flush.signal });
  }

  async #passHole(): Promise<void> {
    const { hole } = this.#queue;
    if (!hole || this.#isFlushing) return;
    // The lines before it come to their end first.
    if (!this.#receipts.batches.isEmpty || this.#lanes.isUnderWay) return this.#rest();
    if (await this.#lanes.passHole(hole)) return;
    this.#queue.passHole();
    await this.#ledger.lost(hole);
  }

  async #followHead(): Promise<void> {
    await this.#lanes.giveUp();
    const { bus } = this.#parts;
    const { head } = await bus.bounds(bus.partitionOf(this.app), this.app);
    await this.#ledger.followed(head);
    if (!this.#isFlushing) await this.#rest();
  }

  /** Until something happens, or a notice is due. */
  #rest(): Promise<void> {
    return this.#wakeup.wait(this.#stop.signal, this.#parts.notices.dueInMs(this.books));
  }

  get #isFlushing(): boolean {
    return this.#flush.signal.aborted;
  }

  /** While flushing there is something to do as long as the last attempt went well and lines are queued. */
  #canFlush(): boolean {
    if (this.#lanes.isUnderWay) return true;
    if (this.books.isDisabled || this.#attempts.pace.isFailing) return false;
    return this.#hasNext;
  }

  /** Of the batches that are sent at once: there is room for one more, and it can be had. */
  get #canStart(): boolean {
    return this.#lanes.isOpen && (!this.#isFlushing || this.#hasNext);
  }

  /** A batch is there that no reading makes larger. */
  get #hasNext(): boolean {
    const { hasNext, isLive, plans } = this.#queue;
    return hasNext && (isLive || plans.next !== undefined);
  }

  /** After a turn that failed half-way: what it had taken off the queue and not dealt with comes again, unchanged. */
  #startOver(): void {
    const { end } = this.#lanes;
    if (end) this.#queue.restart(end);
    else this.#queue.resume(this.books, this.#receipts.batches.end ?? this.books.cursor);
  }
}

/** The smaller of two waits, of which either may be endless (undefined). */
function earlier(aMs: number | undefined, bMs: number | undefined): number | undefined {
  if (aMs === undefined || bMs === undefined) return aMs ?? bMs;
  return Math.min(aMs, bMs);
}

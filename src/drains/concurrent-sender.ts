import { BatchFlight, isEnd, type FlyingBatch } from './batch-flight.ts';
import type { BatchQueue } from './batch-queue.ts';
import type { BatchSender } from './batch-sender.ts';
import type { BatchShapes, ShapedCut } from './batch-shape.ts';
import type { Cut } from './batch-cutter.ts';
import type { Books } from './drain-books.ts';
import type { DrainAttempts } from './drain-attempts.ts';
import type { DrainLedger } from './drain-ledger.ts';
import type { Delivery } from './drain.ts';
import type { Hole } from './line-source.ts';
import type { Place } from './place.ts';

export interface ConcurrentSenderOptions {
  /** Batches that may be under way at once; from 2 on their order is given up. */
  readonly concurrency: number;
}

export interface ConcurrentSenderParts {
  readonly sender: BatchSender;
  readonly queue: BatchQueue;
  readonly ledger: DrainLedger;
  readonly attempts: DrainAttempts;
  readonly shapes: BatchShapes;
  /** An attempt is over: somebody has to look. */
  readonly answered: () => void;
}

/**
 * Sends several batches at once, and has what became of them entered into the books in the order of their lines.
 * Once one of them fails, no other is started, and what has not arrived is sent one by one.
 */
export class ConcurrentSender {
  readonly #options: ConcurrentSenderOptions;
  readonly #parts: ConcurrentSenderParts;
  readonly #flight: BatchFlight;

  constructor(options: ConcurrentSenderOptions, parts: ConcurrentSenderParts, books: Books) {
    this.#options = options;
    this.#parts = parts;
    this.#flight = new BatchFlight(options, parts);
    // The batch at the cursor is planned already.
    const ahead = books.inflight.filter(
      ({ from }, i) => from.seq > books.cursor.seq || (i > 0 && from.seq === books.cursor.seq),
    );
    if (ahead.length > 0) this.#flight.resume(ahead);
  }

  /** The next batch goes on its way without waiting for those before it. */
  get isFlying(): boolean {
    const { queue, attempts } = this.#parts;
    if (this.#options.concurrency === 1 || this.#flight.hasLanded) return false;
    return queue.plans.next === undefined && !attempts.pace.isFailing;
  }

  get isUnderWay(): boolean {
    return this.#flight.isUnderWay;
  }

  /** Another batch may be sent. */
  get isOpen(): boolean {
    return !this.#flight.isUnderWay || this.#flight.isOpen;
  }

  /** What became of the oldest batch is known. */
  get isAnswered(): boolean {
    return this.#flight.isUnderWay && this.#flight.front?.delivery !== undefined;
  }

  get hasOverflow(): boolean {
    return this.#flight.hasOverflow;
  }

  /** Where the lines begin that are not under way; undefined while none is. */
  get end(): Place | undefined {
    return this.#flight.end;
  }

  /** Its lines leave the queue: should it fail, they are read again. */
  async start(cut: ShapedCut, stop: AbortSignal): Promise<void> {
    const { ledger, queue, sender } = this.#parts;
    await ledger.sending(cut);
    queue.passed(cut.to);
    const answer = isNothing(cut) ? Promise.resolve(noneRejected) : sender.attempt(cut, stop);
    this.#flight.add(cut, answer);
  }

  /** What became of the oldest batch. */
  async learn(stop: AbortSignal): Promise<void> {
    const { cut, delivery } = this.#flight.front ?? {};
    if (!cut || !delivery) return;
    if (!isEnd(delivery)) return this.#land(cut, delivery, stop);
    this.#flight.shift();
    await this.#ended(cut, delivery, { isNew: true });
    cut.shape.encoder.recycle(cut.body);
  }

  /** The last of what is under way: what has arrived in order is accounted for. */
  async finish(stop: AbortSignal): Promise<void> {
    if (!this.isUnderWay) return;
    await this.#flight.settled();
    for (let { front } = this.#flight; front?.delivery; front = this.#flight.front) {
      if (!isEnd(front.delivery)) return;
      await this.learn(stop);
    }
  }

  /** After a flight has landed: true when the batch at the cursor had arrived; else what comes next is planned. */
  async recover(): Promise<boolean> {
    const { queue, ledger, shapes } = this.#parts;
    if (!this.#flight.hasLanded || queue.plans.next) return false;
    const { seq } = ledger.books.cursor;
    const next = this.#flight.nextFrom(seq);
    if (!next) return false;
    const { from, lines, overflow, options } = next.range;
    if (from.seq > seq) {
      // The rest of a batch that was split.
      queue.plans.add({ lines: from.seq - seq, overflow: undefined });
      return false;
    }
    this.#flight.shift();
    if (next.cut && next.delivery) {
      await this.#ended(next.cut, next.delivery, { isNew: false });
      // What was found gone begins after it now.
      if (queue.hole) queue.restart(next.range.to);
      return true;
    }
    queue.plans.add({ lines, overflow, shape: shapes.of(options) });
    return false;
  }

  /** True when a batch has arrived whose lines are gone since: only those before it are lost. */
  async passHole(hole: Hole): Promise<boolean> {
    const { queue, ledger } = this.#parts;
    if (hole.kind === 'restart') this.#flight.clear();
    const arrived = this.#flight.skipToArrived(hole.to.seq);
    if (!arrived) return false;
    queue.plans.clear();
    const to = arrived.range.from;
    const lines = to.seq - ledger.books.cursor.seq;
    if (lines > 0) await ledger.lost({ kind: 'gap', lines, to });
    return true;
  }

  /** The drain is disabled: what has not arrived never will. */
  async giveUp(): Promise<void> {
    const { ledger } = this.#parts;
    for (let next = this.#nextArrived(); next; next = this.#nextArrived()) {
      this.#flight.shift();
      const { position, seq: appSeq } = next.range.from;
      await ledger.followed({ position, appSeq, previous: null });
      if (next.cut && next.delivery) await this.#ended(next.cut, next.delivery, { isNew: false });
    }
    this.#flight.clear();
  }

  #nextArrived(): FlyingBatch | undefined {
    return this.#flight.skipToArrived(Infinity);
  }

  async #land(cut: ShapedCut, delivery: Delivery, stop: AbortSignal): Promise<void> {
    const { queue, ledger, sender } = this.#parts;
    const isSplit = delivery.kind === 'split';
    if (isSplit) this.#flight.shift();
    const failure = await this.#flight.land();
    queue.restart(ledger.books.cursor);
    if (isSplit) {
      await sender.learn(cut, delivery);
      cut.shape.encoder.recycle(cut.body);
    }
    // What was cut short says nothing of the receiver.
    if (failure && !stop.aborted) sender.failed(failure);
  }

  /** What arrived before a failure that is known says nothing of attempts any more. */
  async #ended(cut: Cut, delivery: Delivery, { isNew }: { isNew: boolean }): Promise<void> {
    const { sender } = this.#parts;
    if (isNothing(cut)) await sender.pass(cut);
    else if (isNew) await sender.learn(cut, delivery);
    else await sender.account(cut, delivery);
  }
}

const noneRejected: Delivery = { kind: 'delivered', rejected: 0 };

/** Nothing but filtered lines. */
function isNothing({ messages, overflow }: Cut): boolean {
  return messages === 0 && !overflow;
}

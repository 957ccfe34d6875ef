import type { Clock } from '../core/clock.ts';
import type { DrainId } from '../core/ids.ts';
import type { Logger } from '../core/logger.ts';
import type { Cut } from './batch-cutter.ts';
import type { BatchQueue } from './batch-queue.ts';
import type { ShapedCut } from './batch-shape.ts';
import type { DrainAttempts } from './drain-attempts.ts';
import type { DrainLedger } from './drain-ledger.ts';
import type { WorkerMetrics } from './drain-metrics.ts';
import type { Batch, Delivery, Drain } from './drain.ts';
import type { Place } from './place.ts';
import type { UnconfirmedBatches } from './unconfirmed-batches.ts';

export interface BatchSenderParts {
  readonly drain: Drain;
  /** Batches of a stream, which are written first and confirmed later; undefined for a drain that answers. */
  readonly unconfirmed: UnconfirmedBatches | undefined;
  readonly queue: BatchQueue;
  readonly ledger: DrainLedger;
  readonly attempts: DrainAttempts;
  readonly frameId: (from: Place, lines: number) => string;
  readonly metrics: Pick<WorkerMetrics, 'attempted'>;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The last chance to send anything: after a failure nothing is tried again. */
  readonly flush: AbortSignal;
}

/** Sends one batch until it is known what became of it, and has that entered into the books. */
export class BatchSender {
  readonly #id: DrainId;
  readonly #parts: BatchSenderParts;

  constructor(id: DrainId, parts: BatchSenderParts) {
    this.#id = id;
    this.#parts = parts;
  }

  /** Returns early when it is better to make the batch anew later, which is then the first thing to do. */
  async send(cut: ShapedCut, stop: AbortSignal): Promise<void> {
    const { queue, ledger, attempts, unconfirmed, flush } = this.#parts;
    if (!unconfirmed) {
      queue.sending(cut);
      await ledger.sending(cut);
    }
    for (;;) {
      await attempts.wait(stop);
      // A stream that broke meanwhile is sent what came before this batch first.
      if (stop.aborted || unconfirmed?.brokenBy !== undefined) break;
      const delivery = await this.attempt(cut, stop);
      if (stop.aborted && delivery.kind === 'retry') break;
      if (await this.learn(cut, delivery)) {
        cut.shape.encoder.recycle(cut.body);
        break;
      }
      if (!queue.keeps(cut) || flush.aborted) break;
    }
    queue.sent();
  }

  /** Nothing but filtered lines. */
  async pass(cut: Cut): Promise<void> {
    const { ledger, unconfirmed } = this.#parts;
    if (unconfirmed?.isEmpty === false) return this.#taken(cut, unconfirmed);
    this.#passed(cut);
    await ledger.filtered(cut);
  }

  async attempt(cut: ShapedCut, stop: AbortSignal): Promise<Delivery> {
    const { clock, metrics, frameId, unconfirmed } = this.#parts;
    const { contentType } = cut.shape;
    const batch = {
      id: frameId(cut.from, cut.lines),
      to: cut.to.position,
      messages: cut.messages + (cut.overflow ? 1 : 0),
      body: cut.body,
      ...(contentType === undefined ? {} : { contentType }),
    };
    const startedMs = clock.monotonicMs();
    if (unconfirmed) this.#taken(cut, unconfirmed);
    const delivery = await this.#deliver(batch, stop);
    metrics.attempted(delivery, batch.body.length, (clock.monotonicMs() - startedMs) / 1000);
    return delivery;
  }

  async #deliver(batch: Batch, stop: AbortSignal): Promise<Delivery> {
    try {
      return await this.#parts.drain.deliver(batch, stop);
    } catch (error) {
      this.#parts.logger.error({ drainId: this.#id, err: error }, 'drain.deliver_failed');
      return { kind: 'retry', reason: 'protocol' };
    }
  }

  /** What became of an attempt; true when the batch is dealt with, false when it is to be sent again. */
  async learn(cut: Cut, delivery: Delivery): Promise<boolean> {
    const { attempts } = this.#parts;
    if (delivery.kind === 'retry' || delivery.kind === 'hold') return this.failed(delivery);
    if (delivery.kind === 'written') {
      attempts.written();
      return true;
    }
    attempts.succeeded();
    await this.account(cut, delivery);
    return true;
  }

  /** The lines of a batch have come to their ends, or are to be sent in pieces. */
  async account(cut: Cut, delivery: Delivery): Promise<void> {
    if (delivery.kind === 'delivered') await this.#delivered(cut, delivery.rejected);
    else if (delivery.kind === 'refused') await this.#refused(cut, delivery.status);
    else if (delivery.kind === 'split') await this.#split(cut, delivery.status);
  }

  /** True when the batch is not to be held meanwhile. */
  failed(delivery: Extract<Delivery, { kind: 'retry' | 'hold' }>): boolean {
    const { attempts, ledger, queue, unconfirmed } = this.#parts;
    attempts.failed(delivery);
    if (attempts.areGivenUp) {
      ledger.disabled();
      unconfirmed?.clear();
      queue.restart(ledger.books.cursor);
      return true;
    }
    void ledger.save();
    // A stream starts over from the cursor.
    unconfirmed?.broke(delivery.reason);
    return unconfirmed !== undefined;
  }

  async #delivered(cut: Cut, rejected: number): Promise<void> {
    const { queue, ledger } = this.#parts;
    queue.plans.delivered();
    this.#passed(cut);
    await ledger.delivered(cut, Math.min(rejected, cut.messages));
  }

  async #refused(cut: Cut, status: number): Promise<void> {
    const { queue, ledger } = this.#parts;
    queue.plans.refused(cut);
    this.#passed(cut);
    await ledger.refused(cut, status);
  }

  /** Pieces in place of the batch, until what is left is refused. */
  async #split(cut: Cut, status: number): Promise<void> {
    const { queue } = this.#parts;
    const isTooLarge = status === contentTooLarge;
    if (isTooLarge && cut.lines > 1) queue.tooLarge(cut.body.length);
    if (queue.plans.split(cut, { isTooLarge })) queue.takeBack(cut);
    else await this.#refused(cut, status);
  }

  /** A stream has it now. */
  #taken(cut: Cut, unconfirmed: UnconfirmedBatches): void {
    unconfirmed.add(cut);
    this.#parts.queue.passed(cut.to);
  }

  #passed(cut: Cut): void {
    const { queue } = this.#parts;
    queue.passed(cut.to);
    queue.plans.settled();
  }
}

const contentTooLarge = 413;

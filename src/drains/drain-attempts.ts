import type { Chance } from '../core/chance.ts';
import type { Clock } from '../core/clock.ts';
import type { DrainId } from '../core/ids.ts';
import type { Logger } from '../core/logger.ts';
import {
  afterFailure,
  afterSuccess,
  afterWrite,
  failedForMs,
  freshPace,
  type DeliveryPace,
  type DeliveryPaceOptions,
  type Failure,
  type Moment,
} from './delivery-pace.ts';
import type { Delivery } from './drain.ts';
import type { DrainLedger } from './drain-ledger.ts';
import type { WorkerNotices } from './drain-notices.ts';
import type { StreamBreak } from './unconfirmed-batches.ts';

export interface DrainAttemptsParts {
  readonly ledger: DrainLedger;
  readonly notices: WorkerNotices;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly logger: Logger;
  /** Ends a back-off: the flush does not sit through it. */
  readonly flush: AbortSignal;
}

/** How a drain's attempts go: waits before the next one, and tells those who ought to know of the last. */
export class DrainAttempts {
  readonly #id: DrainId;
  readonly #options: DeliveryPaceOptions;
  readonly #parts: DrainAttemptsParts;
  #pace: DeliveryPace = freshPace;

  constructor(id: DrainId, options: DeliveryPaceOptions, parts: DrainAttemptsParts) {
    this.#id = id;
    this.#options = options;
    this.#parts = parts;
  }

  get pace(): DeliveryPace {
    return this.#pace;
  }

  /** On the wall clock; undefined when nothing is waited for. */
  get nextAttemptMs(): number | undefined {
    const { monotonicMs, wallMs } = this.#now();
    const waitMs = this.#pace.notBeforeMs - monotonicMs;
    return waitMs > 0 ? wallMs + waitMs : undefined;
  }

  /** Nothing has succeeded for so long that nothing is tried any more. */
  get areGivenUp(): boolean {
    return this.#parts.ledger.books.failingForMs >= this.#options.disableAfterMs;
  }

  /** Back-off. The queue goes on filling meanwhile, until it overflows and is freed; notices go on being written. */
  async wait(stop: AbortSignal): Promise<void> {
    const { clock, notices, ledger, flush } = this.#parts;
    if (this.#pace.notBeforeMs <= clock.monotonicMs()) return;
    const signal = AbortSignal.any([stop, flush]);
    while (!signal.aborted) {
      const waitMs = this.#pace.notBeforeMs - clock.monotonicMs();
      if (waitMs <= 0) return;
      const noticeMs = notices.dueInMs(ledger.books) ?? Infinity;
      await clock.sleep(Math.min(waitMs, noticeMs), signal).catch(() => undefined);
      if (!signal.aborted) await notices.settle(ledger);
    }
  }

  failed(delivery: Extract<Delivery, { kind: 'retry' | 'hold' }>): void {
    const { logger, notices, ledger } = this.#parts;
    const { failure, isHeld, failures: attempt } = this.#pace;
    const { reason } = delivery;
    const isNew = failure !== reason;
    logger[isNew ? 'warn' : 'debug'](
      { drainId: this.#id, reason, attempt },
      'drain.delivery_failed',
    );
    if (delivery.kind === 'hold') {
      if (isNew || !isHeld) notices.held(ledger.books, holdReason(delivery));
    } else if (delivery.certificate !== undefined) {
      notices.certificateRefused(ledger.books, delivery.certificate);
    }
    this.#count(delivery);
  }

  /** A stream broke while nothing was being sent; what its last write failed with is not counted twice. */
  broke({ reason, certificate }: StreamBreak): void {
    const { clock, notices, ledger } = this.#parts;
    if (this.#pace.notBeforeMs > clock.monotonicMs()) return;
    if (certificate !== undefined) notices.certificateRefused(ledger.books, certificate);
    this.#count({ kind: 'retry', reason });
  }

  written(): void {
    this.#pace = afterWrite(this.#pace);
  }

  succeeded(): void {
    const { logger, ledger } = this.#parts;
    if (this.#pace.failure !== undefined) logger.info({ drainId: this.#id }, 'drain.recovered');
    this.#pace = afterSuccess(this.#pace, this.#now());
    ledger.recovered();
  }

  #count(failure: Failure): void {
    const now = this.#now();
    const fraction = this.#parts.chance.fraction();
    this.#parts.ledger.failing(failedForMs(this.#pace, now.monotonicMs));
    this.#pace = afterFailure(this.#pace, failure, now, { ...this.#options, fraction });
  }

  #now(): Moment {
    const { clock } = this.#parts;
    return { monotonicMs: clock.monotonicMs(), wallMs: clock.nowMs() };
  }
}

function holdReason({ reason, status }: Extract<Delivery, { kind: 'hold' }>): string {
  return status === undefined ? reason.replaceAll('_', ' ') : `status ${status}`;
}

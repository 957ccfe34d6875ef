import { tooMany } from './api-error.ts';
import type { Attempt, AttemptLimiter } from './attempt-limiter.ts';
import type { ControllerMetrics, LimitedWhat } from './controller-metrics.ts';

/** Keeps few what somebody can have done to others: mails to an address, connections to a receiver. */
export class Allowance {
  readonly #what: LimitedWhat;
  readonly #limiter: AttemptLimiter;
  readonly #metrics: ControllerMetrics;

  constructor(parts: {
    readonly what: LimitedWhat;
    readonly limiter: AttemptLimiter;
    readonly metrics: ControllerMetrics;
  }) {
    this.#what = parts.what;
    this.#limiter = parts.limiter;
    this.#metrics = parts.metrics;
  }

  /** @throws ApiError 429 when there are none left. */
  take(attempt: Attempt): void {
    const waitMs = this.#limiter.begin(attempt);
    if (waitMs === 0) return;
    this.#metrics.limited(this.#what);
    throw tooMany(waitMs);
  }
}

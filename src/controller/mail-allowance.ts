import { tooMany } from './api-error.ts';
import type { Attempt, AttemptLimiter } from './attempt-limiter.ts';
import type { ControllerMetrics } from './controller-metrics.ts';

/** Keeps the mails that somebody can have sent to an address few. */
export class MailAllowance {
  readonly #limiter: AttemptLimiter;
  readonly #metrics: ControllerMetrics;

  constructor(parts: { readonly limiter: AttemptLimiter; readonly metrics: ControllerMetrics }) {
    this.#limiter = parts.limiter;
    this.#metrics = parts.metrics;
  }

  /** @throws ApiError 429 when there are none left. */
  take(attempt: Attempt): void {
    const waitMs = this.#limiter.begin(attempt);
    if (waitMs === 0) return;
    this.#metrics.limited('mail');
    throw tooMany(waitMs);
  }
}

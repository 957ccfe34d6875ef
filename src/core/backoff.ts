export interface BackoffOptions {
  readonly baseMs: number;
  readonly maxMs: number;
}

/**
 * Full-jitter exponential back-off: uniform in [0, min(max, base · 2^attempt)], but never under a tenth of
 * that ceiling, so that a failing peer is not hammered by chance. `attempt` counts failures, from 0.
 */
export function backoffMs(options: BackoffOptions, attempt: number, fraction: number): number {
  const ceilingMs = Math.min(options.maxMs, options.baseMs * 2 ** Math.min(attempt, 30));
  return Math.round(Math.max(ceilingMs / 10, ceilingMs * fraction));
}

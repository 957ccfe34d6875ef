import type { Delivery, FailureReason } from './drain.ts';
import { classifySocketError, type DialFailure } from './egress/dial-failure.ts';
import { retryAfterMs, type RetryAfterLimits } from './https/retry-after.ts';

/** How an attempt ended: with the receiver's answer, or without one. */
export type Ending =
  | { readonly status: number; readonly retryAfter: string | undefined }
  | { readonly error: unknown };

/**
 * What an ending means for the batch; the only place that decides it. 429 and 503 may say when to come back. 413,
 * 400 and 422 are about the batch, so a smaller one may pass; every other 4xx, a redirect, which is never followed,
 * and an address that may not be reached are about the drain: its owner has to do something. Whatever else went
 * wrong may be over the next time.
 */
export function outcomeOf(ending: Ending, limits: RetryAfterLimits, nowMs: number): Delivery {
  if ('error' in ending) return outcomeOfFailure(classifySocketError(ending.error));
  const { status, retryAfter } = ending;
  if (status >= 200 && status < 300) return { kind: 'delivered', rejected: 0 };
  if (status === 429 || status === 503) {
    const afterMs = retryAfterMs(retryAfter, limits, nowMs);
    return retry(status === 429 ? 'http_429' : 'http_5xx', status, afterMs);
  }
  if (status >= 500 && status < 600) return retry('http_5xx', status);
  if (status === 408) return retry('http_4xx', status);
  if (status === 400 || status === 413 || status === 422) return { kind: 'split', status };
  if (status >= 400 && status < 500) return { kind: 'hold', reason: 'http_4xx', status };
  if (status >= 300 && status < 400) return { kind: 'hold', reason: 'http_3xx', status };
  return retry('protocol', status);
}

/** The same for a failure that has its reason already. */
export function outcomeOfFailure(
  failure: DialFailure,
): Extract<Delivery, { kind: 'retry' | 'hold' }> {
  return failure.reason === 'blocked_address'
    ? { kind: 'hold', reason: failure.reason }
    : { kind: 'retry', ...failure };
}

function retry(reason: FailureReason, status: number, afterMs?: number): Delivery {
  return { kind: 'retry', reason, status, ...(afterMs === undefined ? {} : { afterMs }) };
}

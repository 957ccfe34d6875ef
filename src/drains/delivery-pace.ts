import { backoffMs } from '../core/backoff.ts';
import type { Delivery, FailureReason } from './drain.ts';

export interface DeliveryPaceOptions {
  readonly retryBaseMs: number;
  readonly retryMsMax: number;
  /** For how long attempts have to have succeeded before the next failure counts as the first again. */
  readonly stableMs: number;
  /** How often a held drain is tried. */
  readonly holdProbeMs: number;
  /** After how long of nothing but failed attempts the drain is disabled. */
  readonly disableAfterMs: number;
}

/** One moment on both clocks: waits go by the monotonic one, people by the other. */
export interface Moment {
  readonly monotonicMs: number;
  readonly wallMs: number;
}

export interface LastError {
  readonly reason: FailureReason;
  /** What the receiver answered, where it did. */
  readonly status: number | undefined;
  readonly atMs: number;
}

export type Failure = Pick<Extract<Delivery, { kind: 'retry' | 'hold' }>, 'kind' | 'reason'> & {
  readonly afterMs?: number;
  readonly status?: number;
};

/** How a drain's attempts have gone, and so when the next one may be. Every answer makes the next value. */
export interface DeliveryPace {
  /** The next attempt is not before then, on the monotonic clock. */
  readonly notBeforeMs: number;
  /** The last attempt failed. */
  readonly isFailing: boolean;
  /** Why nothing has succeeded since; undefined once something has. */
  readonly failure: FailureReason | undefined;
  readonly isHeld: boolean;
  /** Failures by which back-off goes: they outlive a success that does not last. */
  readonly failures: number;
  readonly failedAtMs: number;
  /** Of the first success after a failure, on the monotonic clock: what was waited before it proves nothing. */
  readonly succeedingSinceMs: number | undefined;
  readonly lastSuccessMs: number | undefined;
  /** The last failure, also when attempts have succeeded since. */
  readonly lastError: LastError | undefined;
}

export const freshPace: DeliveryPace = {
  notBeforeMs: 0,
  isFailing: false,
  failure: undefined,
  isHeld: false,
  failures: 0,
  failedAtMs: -Infinity,
  succeedingSinceMs: undefined,
  lastSuccessMs: undefined,
  lastError: undefined,
};

/** `fraction` is the chance in the back-off, in [0, 1). */
export function afterFailure(
  pace: DeliveryPace,
  failure: Failure,
  now: Moment,
  options: DeliveryPaceOptions & { readonly fraction: number },
): DeliveryPace {
  const { kind, reason, status } = failure;
  const { succeedingSinceMs: sinceMs } = pace;
  const isStable = sinceMs !== undefined && now.monotonicMs - sinceMs >= options.stableMs;
  const before = isStable ? 0 : pace.failures;
  return {
    ...pace,
    notBeforeMs: now.monotonicMs + waitMs(before, failure, options),
    isFailing: true,
    failure: reason,
    isHeld: kind === 'hold',
    failures: before + 1,
    failedAtMs: now.monotonicMs,
    succeedingSinceMs: undefined,
    lastError: { reason, status, atMs: now.wallMs },
  };
}

export function afterSuccess(pace: DeliveryPace, now: Moment): DeliveryPace {
  return {
    ...pace,
    notBeforeMs: 0,
    isFailing: false,
    failure: undefined,
    isHeld: false,
    succeedingSinceMs: pace.succeedingSinceMs ?? now.monotonicMs,
    lastSuccessMs: now.wallMs,
  };
}

/** A stream has taken a batch: whether that is a success is not known yet. */
export function afterWrite(pace: DeliveryPace): DeliveryPace {
  return { ...pace, isFailing: false };
}

/** What a failure now adds to the time for which every attempt has failed: downtime of ours does not count. */
export function failedForMs(pace: DeliveryPace, nowMs: number): number {
  return pace.failure === undefined ? 0 : nowMs - pace.failedAtMs;
}

function waitMs(
  failures: number,
  { kind, afterMs }: Failure,
  options: DeliveryPaceOptions & { readonly fraction: number },
): number {
  const { retryBaseMs: baseMs, retryMsMax: maxMs, holdProbeMs, fraction } = options;
  if (kind === 'hold') return holdProbeMs;
  return afterMs ?? backoffMs({ baseMs, maxMs }, failures, fraction);
}

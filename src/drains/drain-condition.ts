import type { LastError } from './delivery-pace.ts';

/** What the owner may know of a drain's condition. */
export interface DrainCondition {
  readonly state: 'live' | 'lagging' | 'catching up' | 'held' | 'paused' | 'disabled';
  readonly lastSuccessMs: number | undefined;
  /** The last failure, also when attempts have succeeded since. */
  readonly lastError: LastError | undefined;
  /** The last attempt of which anything is known has failed. */
  readonly isFailing: boolean;
  readonly nextAttemptMs: number | undefined;
}

/** Of a drain that a worker runs for. */
export function stateOf(is: {
  readonly isDisabled: boolean;
  readonly isHeld: boolean;
  readonly isLive: boolean;
  readonly isFailing: boolean;
}): DrainCondition['state'] {
  if (is.isDisabled) return 'disabled';
  if (is.isHeld) return 'held';
  if (is.isLive) return 'live';
  return is.isFailing ? 'lagging' : 'catching up';
}

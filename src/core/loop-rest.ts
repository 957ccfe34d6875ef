import type { Clock } from './clock.ts';

export interface LoopRestOptions {
  /** However busy the event loop is: the next turn comes after this. */
  readonly restMsMax: number;
}

export interface LoopRestParts {
  readonly clock: Clock;
  /** For how long the event loop has had nothing to do, milliseconds since the process began. */
  readonly idleMs: () => number;
}

/** Calls `next` when bulk work may have its next turn. */
export type LoopRest = (next: () => void) => void;

/** Timers are no finer. */
const stepMs = 1;
const idleShareMin = 4 / 5;

/**
 * Between two turns of bulk work the event loop has nothing to do for four times as long as it was busy, with whatever: what
 * a turn sets off (reads, answers, garbage) comes to its end first, and lines that are live find the loop idle.
 */
export function loopRest(options: LoopRestOptions, { clock, idleMs }: LoopRestParts): LoopRest {
  return (next) => {
    const began = { nowMs: clock.monotonicMs(), idleMs: idleMs() };
    const look = (): void => {
      const passedMs = clock.monotonicMs() - began.nowMs;
      const isRested = idleMs() - began.idleMs >= passedMs * idleShareMin;
      if (isRested || passedMs >= options.restMsMax) next();
      else clock.after(stepMs, look);
    };
    clock.after(stepMs, look);
  };
}

/** Of this process. */
export const systemIdleMs = (): number => performance.eventLoopUtilization().idle;

import { setTimeout as delay } from 'node:timers/promises';

/** Time, injected. Waits and intervals are monotonic; only `nowMs` reads the wall clock, which may jump. */
export interface Clock {
  /** Wall clock, milliseconds since 1970. Only for what people see and for receipt times. */
  nowMs(): number;
  /** Milliseconds from an arbitrary start, never going back. */
  monotonicMs(): number;
  /** Resolves after `ms`; rejects with the signal's reason when aborted. */
  sleep(ms: number, signal?: AbortSignal): Promise<void>;
  /** Calls `task` once after `ms`; the returned function cancels. Does not keep the process alive. */
  after(ms: number, task: () => void): () => void;
  /** Calls `task` every `ms`; the returned function cancels. Does not keep the process alive. */
  every(ms: number, task: () => void): () => void;
}

export const systemClock: Clock = {
  nowMs: () => Date.now(),
  monotonicMs: () => performance.now(),
  sleep: async (ms, signal) => {
    await delay(ms, undefined, signal ? { signal } : {});
  },
  after: (ms, task) => {
    const timer = setTimeout(task, ms).unref();
    return () => clearTimeout(timer);
  },
  every: (ms, task) => {
    const timer = setInterval(task, ms).unref();
    return () => clearInterval(timer);
  },
};

import type { Clock } from '../../src/core/clock.ts';

interface Timer {
  readonly dueMs: number;
  readonly everyMs: number | undefined;
  readonly task: () => void;
}

/** A clock that moves only when told to. `advance` runs what falls due, in order. */
export class FakeClock implements Clock {
  #monotonicMs = 0;
  #wallMs: number;
  readonly #timers = new Set<Timer>();

  constructor(wallMs = Date.UTC(2026, 0, 1)) {
    this.#wallMs = wallMs;
  }

  nowMs(): number {
    return this.#wallMs;
  }

  monotonicMs(): number {
    return this.#monotonicMs;
  }

  sleep(ms: number, signal?: AbortSignal): Promise<void> {
    return new Promise((resolve, reject) => {
      signal?.throwIfAborted();
      const cancel = this.after(ms, () => {
        signal?.removeEventListener('abort', abort);
        resolve();
      });
      const abort = (): void => {
        cancel();
        reject(signal?.reason as Error);
      };
      signal?.addEventListener('abort', abort, { once: true });
    });
  }

  after(ms: number, task: () => void): () => void {
    return this.#add({ dueMs: this.#monotonicMs + ms, everyMs: undefined, task });
  }

  every(ms: number, task: () => void): () => void {
    return this.#add({ dueMs: this.#monotonicMs + ms, everyMs: ms, task });
  }

  /** Moves both clocks, running due tasks in order and letting promises settle after each. */
  async advance(ms: number): Promise<void> {
    const untilMs = this.#monotonicMs + ms;
    await settle();
    for (let next = this.#next(untilMs); next; next = this.#next(untilMs)) {
      this.#moveTo(next.dueMs);
      this.#timers.delete(next);
      if (next.everyMs !== undefined) this.#add({ ...next, dueMs: next.dueMs + next.everyMs });
      next.task();
      await settle();
    }
    this.#moveTo(untilMs);
    await settle();
  }

  /** Moves the wall clock alone, as an operator or NTP would. */
  jump(ms: number): void {
    this.#wallMs += ms;
  }

  #add(timer: Timer): () => void {
    this.#timers.add(timer);
    return () => {
      for (const known of this.#timers) if (known.task === timer.task) this.#timers.delete(known);
    };
  }

  #next(untilMs: number): Timer | undefined {
    let next: Timer | undefined;
    for (const timer of this.#timers) {
      if (timer.dueMs <= untilMs && (!next || timer.dueMs < next.dueMs)) next = timer;
    }
    return next;
  }

  #moveTo(ms: number): void {
    const stepMs = Math.max(0, ms - this.#monotonicMs);
    this.#monotonicMs += stepMs;
    this.#wallMs += stepMs;
  }
}

/** Lets pending promise callbacks and immediates run. */
export async function settle(): Promise<void> {
  for (let turn = 0; turn < 5; turn++) await new Promise((resolve) => setImmediate(resolve));
}

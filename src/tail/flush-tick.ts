import type { Clock } from '../core/clock.ts';

export interface Flushable {
  /** Hands on at most one batch; true when there is more. */
  flush(): boolean;
}

/**
 * The one timer for all apps with lines to hand on. It does not run while there are none. What has a full batch
 * does not wait for it, but gives the loop a turn between batches, so that a client that keeps up can be seen to.
 */
export class FlushTick {
  readonly #clock: Clock;
  readonly #coalesceMs: number;
  #due = new Set<Flushable>();
  #hurried = new Set<Flushable>();

  constructor(options: { readonly coalesceMs: number }, parts: { readonly clock: Clock }) {
    this.#coalesceMs = options.coalesceMs;
    this.#clock = parts.clock;
  }

  /** Flushes within the coalescing time. */
  mark(part: Flushable): void {
    if (this.#due.size === 0) this.#clock.after(this.#coalesceMs, this.#runDue);
    this.#due.add(part);
  }

  /** Flushes on the next turn of the loop. */
  hurry(part: Flushable): void {
    if (this.#hurried.size === 0) this.#clock.after(0, this.#runHurried);
    this.#hurried.add(part);
  }

  readonly #runDue = (): void => {
    const due = this.#due;
    this.#due = new Set();
    this.#flush(due);
  };

  readonly #runHurried = (): void => {
    const hurried = this.#hurried;
    this.#hurried = new Set();
    this.#flush(hurried);
  };

  #flush(parts: ReadonlySet<Flushable>): void {
    for (const part of parts) if (part.flush()) this.hurry(part);
  }
}

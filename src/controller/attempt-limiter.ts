import type { Clock } from '../core/clock.ts';

export interface AttemptLimits {
  readonly windowMs: number;
  /** For one account from one address. */
  readonly perPairMax: number;
  /** For one account from anywhere: higher, so that a stranger cannot soon lock its owner out. */
  readonly perAccountMax: number;
  readonly perAddressMax: number;
}

export interface AttemptLimiterOptions extends AttemptLimits {
  /** Counters remembered; beyond it the oldest are forgotten. */
  readonly entriesMax: number;
}

export interface Attempt {
  /** Lower case; also of accounts that do not exist. */
  readonly account: string;
  readonly address: string;
}

/** Counts attempts in fixed windows. An attempt counts from its start; one that succeeds is forgiven. */
export class AttemptLimiter {
  readonly #options: AttemptLimiterOptions;
  readonly #clock: Clock;
  readonly #counters = new Map<string, { count: number; endsMs: number }>();

  constructor(options: AttemptLimiterOptions, parts: { readonly clock: Clock }) {
    this.#options = options;
    this.#clock = parts.clock;
  }

  /** Counts the attempt and returns 0, or returns for how many milliseconds there are none left. */
  begin(attempt: Attempt): number {
    const nowMs = this.#clock.monotonicMs();
    const bounds = this.#bounds(attempt);
    for (const [key, max] of bounds) {
      const counter = this.#counters.get(key);
      if (counter && counter.endsMs > nowMs && counter.count >= max) return counter.endsMs - nowMs;
    }
    for (const [key] of bounds) this.#count(key, nowMs);
    return 0;
  }

  forgive(attempt: Attempt): void {
    for (const [key] of this.#bounds(attempt)) {
      const counter = this.#counters.get(key);
      if (counter && counter.count > 0) counter.count--;
    }
  }

  #bounds({ account, address }: Attempt): readonly [string, number][] {
    return [
      [JSON.stringify([account, address]), this.#options.perPairMax],
      [`account ${account}`, this.#options.perAccountMax],
      [`address ${address}`, this.#options.perAddressMax],
    ];
  }

  #count(key: string, nowMs: number): void {
    const counter = this.#counters.get(key);
    if (counter && counter.endsMs > nowMs) {
      counter.count++;
      return;
    }
    this.#counters.delete(key);
    this.#counters.set(key, { count: 1, endsMs: nowMs + this.#options.windowMs });
    for (const oldest of this.#counters.keys()) {
      if (this.#counters.size <= this.#options.entriesMax) break;
      this.#counters.delete(oldest);
    }
  }
}

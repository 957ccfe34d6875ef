import type { Clock } from '../core/clock.ts';
import type { AppId } from '../core/ids.ts';
import { TokenBucket, type BucketLimits } from './token-bucket.ts';

export interface RateLimiterOptions extends BucketLimits {
  /** Apps remembered. One that is forgotten starts with a full bucket. */
  readonly appBucketsMax: number;
}

/** A token bucket for each app that has been sending lately. */
export class RateLimiter {
  readonly #options: RateLimiterOptions;
  readonly #clock: Clock;
  readonly #buckets = new Map<AppId, TokenBucket>();

  constructor(options: RateLimiterOptions, parts: { clock: Clock }) {
    this.#options = options;
    this.#clock = parts.clock;
  }

  take(app: AppId, bytes: number, messages: number): boolean {
    return this.#bucket(app).take(bytes, messages, this.#clock.monotonicMs());
  }

  giveBack(app: AppId, bytes: number, messages: number): void {
    this.#buckets.get(app)?.giveBack(bytes, messages);
  }

  #bucket(app: AppId): TokenBucket {
    const known = this.#buckets.get(app);
    if (known) return known;
    const bucket = new TokenBucket(this.#options, this.#clock.monotonicMs());
    this.#buckets.set(app, bucket);
    if (this.#buckets.size > this.#options.appBucketsMax) {
      const [oldest] = this.#buckets.keys();
      if (oldest !== undefined) this.#buckets.delete(oldest);
    }
    return bucket;
  }
}

export interface BucketLimits {
  /** Sustained; 0 is no limit. */
  readonly appBytesPerSecond: number;
  readonly appMessagesPerSecond: number;
  /** What a full bucket holds. */
  readonly appBurstBytesMax: number;
  readonly appBurstMessagesMax: number;
}

/** What one app may still send, in bytes and in messages; both must do. Full at first. */
export class TokenBucket {
  readonly #limits: BucketLimits;
  #bytes: number;
  #messages: number;
  #atMs: number;

  constructor(limits: BucketLimits, nowMs: number) {
    this.#limits = limits;
    this.#bytes = limits.appBurstBytesMax;
    this.#messages = limits.appBurstMessagesMax;
    this.#atMs = nowMs;
  }

  /** Takes both, or nothing. What is larger than the bucket passes when the bucket is full. */
  take(bytes: number, messages: number, nowMs: number): boolean {
    this.#refill(nowMs);
    const { appBytesPerSecond, appMessagesPerSecond } = this.#limits;
    const { appBurstBytesMax, appBurstMessagesMax } = this.#limits;
    if (appBytesPerSecond > 0 && this.#bytes < Math.min(bytes, appBurstBytesMax)) return false;
    if (appMessagesPerSecond > 0 && this.#messages < Math.min(messages, appBurstMessagesMax)) {
      return false;
    }
    this.#bytes -= bytes;
    this.#messages -= messages;
    return true;
  }

  /** What was taken has not been stored after all. */
  giveBack(bytes: number, messages: number): void {
    this.#bytes += bytes;
    this.#messages += messages;
  }

  #refill(nowMs: number): void {
    const seconds = (nowMs - this.#atMs) / 1000;
    if (seconds <= 0) return;
    const limits = this.#limits;
    this.#atMs = nowMs;
    this.#bytes = Math.min(
      limits.appBurstBytesMax,
      this.#bytes + seconds * limits.appBytesPerSecond,
    );
    this.#messages = Math.min(
      limits.appBurstMessagesMax,
      this.#messages + seconds * limits.appMessagesPerSecond,
    );
  }
}

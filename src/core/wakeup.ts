import type { Clock } from './clock.ts';

/** A loop's bell: `wait` returns when it was rung since the last wait, after a while, or when aborted. */
export class Wakeup {
  readonly #clock: Clock;
  #isRung = false;
  #ring: (() => void) | undefined;

  constructor(parts: { clock: Clock }) {
    this.#clock = parts.clock;
  }

  /** Synchronous and cheap; ringing twice is ringing once. */
  ring(): void {
    this.#isRung = true;
    this.#ring?.();
  }

  /** Resolves early, without a rejection, when `signal` aborts. */
  async wait(signal: AbortSignal, afterMs?: number): Promise<void> {
    if (!this.#isRung && !signal.aborted) {
      await new Promise<void>((resolve) => {
        const cancel = afterMs === undefined ? undefined : this.#clock.after(afterMs, resolve);
        this.#ring = () => {
          cancel?.();
          resolve();
        };
        signal.addEventListener('abort', this.#ring, { once: true });
      });
      if (this.#ring) signal.removeEventListener('abort', this.#ring);
      this.#ring = undefined;
    }
    this.#isRung = false;
  }
}

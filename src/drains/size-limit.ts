import type { Clock } from '../core/clock.ts';
import type { CutLimits } from './batch-cutter.ts';

export interface SizeLimitOptions {
  /** How large batches are while nobody objects. */
  readonly full: CutLimits;
  /** How long a smaller size is kept before it is doubled. */
  readonly keepMs: number;
}

/** Bytes and lines of a batch: a receiver may count either. */
export interface BatchSize {
  readonly bytes: number;
  readonly lines: number;
}

/**
 * How large the batches of one drain may be. When a receiver has found one too large, the largest of its pieces that
 * was taken is the size from then on, so that not every batch has to be refused first; one line that is too large by
 * itself changes little that way. After a while twice as much is tried.
 */
export class SizeLimit {
  readonly #options: SizeLimitOptions;
  readonly #clock: Pick<Clock, 'monotonicMs'>;
  #limits: CutLimits;
  #sinceMs = 0;
  /** The largest that was taken of a batch that was too large; undefined when the last one was not. */
  #taken: BatchSize | undefined;

  constructor(options: SizeLimitOptions, parts: { readonly clock: Pick<Clock, 'monotonicMs'> }) {
    this.#options = options;
    this.#clock = parts.clock;
    this.#limits = options.full;
  }

  /** For the next batch; the pieces of the last one are dealt with. */
  next(): CutLimits {
    this.#settle();
    const { keepMs } = this.#options;
    while (this.#isReduced() && this.#clock.monotonicMs() - this.#sinceMs >= keepMs) {
      this.#sinceMs += keepMs;
      this.#limits = this.#within(this.#limits.bytesMax * 2, this.#limits.linesMax * 2);
    }
    return this.#limits;
  }

  /** A batch, or a piece of one, was too large. */
  tooLarge(): void {
    this.#taken ??= { bytes: 0, lines: 0 };
  }

  /** A batch, or a piece of one, was taken. */
  taken({ bytes, lines }: BatchSize): void {
    if (!this.#taken) return;
    const largest = this.#taken;
    this.#taken = { bytes: Math.max(bytes, largest.bytes), lines: Math.max(lines, largest.lines) };
  }

  #settle(): void {
    const taken = this.#taken;
    this.#taken = undefined;
    if (!taken || taken.lines === 0) return;
    this.#sinceMs = this.#clock.monotonicMs();
    this.#limits = this.#within(taken.bytes, taken.lines);
  }

  #within(bytes: number, lines: number): CutLimits {
    const { bytesMax, linesMax } = this.#options.full;
    return { bytesMax: Math.min(bytesMax, bytes), linesMax: Math.min(linesMax, lines) };
  }

  #isReduced(): boolean {
    const { full } = this.#options;
    return this.#limits.bytesMax < full.bytesMax || this.#limits.linesMax < full.linesMax;
  }
}

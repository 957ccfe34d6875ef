import type { StoredRecord } from '../bus/bus.ts';
import type { Clock } from '../core/clock.ts';
import type { CutLimits } from './batch-cutter.ts';
import type { BatchPlan } from './batch-plans.ts';
import type { LineSource } from './line-source.ts';

export interface BatchGatheringOptions {
  readonly batchBytesMax: number;
  readonly batchLinesMax: number;
  /** How long a line may wait for others to share its batch. */
  readonly batchMsMax: number;
  /** After a batch was too large for the receiver, batches stay smaller for so long. */
  readonly smallBatchMs: number;
}

export interface BatchGatheringParts {
  readonly source: LineSource;
  readonly clock: Clock;
}

/** When the lines at the front of the queue are a batch: enough of them, old enough, or all that can be had. */
export class BatchGathering {
  readonly #options: BatchGatheringOptions;
  readonly #source: LineSource;
  readonly #clock: Clock;
  /** Lines at the front of the queue that are being sent: they stay there until they are dealt with. */
  #sendingLines = 0;
  #waitingSinceMs: number | undefined;
  /** Memory was short: lines that are read again are sent at once, or they would be let go again while they wait. */
  #isShort = false;
  /** What was not too large for the receiver, and until when that is remembered. */
  #smallBytesMax = Infinity;
  #smallUntilMs = -Infinity;

  constructor(options: BatchGatheringOptions, parts: BatchGatheringParts) {
    this.#options = options;
    this.#source = parts.source;
    this.#clock = parts.clock;
  }

  /** A live record; true when somebody has to look: it was not taken, is the first, or makes a batch. */
  offer(stored: StoredRecord): boolean {
    const hadLines = this.#waitingLines > 0;
    const isTaken = this.#source.offer(stored);
    if (!hadLines && isTaken) this.#waitingSinceMs = this.#clock.monotonicMs();
    return !isTaken || !hadLines || this.isFull;
  }

  /** A page of the log is wanted: the live head is not met yet, and the next batch is not whole. */
  mustRead(next: BatchPlan | undefined): boolean {
    const { isLive, first, lines } = this.#source;
    if (isLive || (first && first.kind !== 'record')) return false;
    // An L10 that goes alone needs a line to stand before.
    return next ? lines < Math.max(1, next.lines) : !this.isFull;
  }

  /** How long the queue's front still waits for company; undefined while there is nothing to send. */
  dueInMs(next: BatchPlan | undefined): number | undefined {
    const { first, lines, isLive } = this.#source;
    if (!first) return undefined;
    if (first.kind !== 'record' || this.isFull || next) return 0;
    if (lines === 0) return undefined;
    const nowMs = this.#clock.monotonicMs();
    this.#waitingSinceMs ??= nowMs;
    if (this.#isShort || !isLive) return 0;
    return Math.max(0, this.#waitingSinceMs + this.#options.batchMsMax - nowMs);
  }

  limits(plan: BatchPlan | undefined): CutLimits {
    if (plan) return { bytesMax: Infinity, linesMax: plan.lines };
    return { bytesMax: this.#bytesMax, linesMax: this.#options.batchLinesMax };
  }

  /** So many lines are being sent; those after them begin to wait. */
  sending(lines: number): void {
    this.#isShort = false;
    this.#sendingLines = lines;
    this.#waitingSinceMs = this.#waitingLines > 0 ? this.#clock.monotonicMs() : undefined;
  }

  /** Nothing is being sent any more. */
  sent(): void {
    this.#sendingLines = 0;
  }

  /** The queue was let go because memory is short. */
  released(): void {
    this.#isShort = true;
  }

  /** The receiver did not take so many bytes at once. */
  tooLarge(bytes: number): void {
    this.#smallBytesMax = Math.max(1, Math.floor(bytes / 2));
    this.#smallUntilMs = this.#clock.monotonicMs() + this.#options.smallBatchMs;
  }

  /** What is queued makes a batch. */
  get isFull(): boolean {
    const { bytes, lines } = this.#source;
    return bytes >= this.#bytesMax || lines >= this.#options.batchLinesMax;
  }

  get #bytesMax(): number {
    const { batchBytesMax } = this.#options;
    const isSmall = this.#clock.monotonicMs() < this.#smallUntilMs;
    return isSmall ? Math.min(this.#smallBytesMax, batchBytesMax) : batchBytesMax;
  }

  /** Queued lines that are not part of the batch that is being sent. */
  get #waitingLines(): number {
    return this.#source.lines - this.#sendingLines;
  }
}

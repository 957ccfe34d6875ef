import type { Cut } from './batch-cutter.ts';
import type { BatchShape, BatchShapes, ShapedCut } from './batch-shape.ts';
import type { Books, OverflowReport } from './drain-books.ts';

export interface BatchPlansOptions {
  /** Requests that finding one offending line may take before what is left of its piece is given up. */
  readonly splitRequestsMax: number;
}

/** A batch that is already decided on: so many lines from the front of the queue, and its L10 if any. */
export interface BatchPlan extends Pick<Cut, 'lines' | 'overflow'> {
  /** Undefined for a new batch, which has the shape that new ones have. */
  readonly shape?: BatchShape;
}

/** What becomes of a batch that the receiver wants in smaller pieces. */
type Split =
  { readonly kind: 'pieces'; readonly pieces: readonly BatchPlan[] } | { readonly kind: 'refused' };

/**
 * The batches that come next, as far as that is settled: the one that is to be sent again, or the pieces of one that
 * was split; and whether the next one has the drain's L10.
 */
export class BatchPlans {
  readonly #options: BatchPlansOptions;
  #plans: BatchPlan[] = [];
  /** Requests of the search for what offends; 0 while there is none. */
  #requests = 0;
  /** The receiver did not want the batch with the L10 in it: first it is to take something without. */
  #isOverflowUnwanted = false;

  constructor(options: BatchPlansOptions) {
    this.#options = options;
  }

  get next(): BatchPlan | undefined {
    return this.#plans[0];
  }

  take(): BatchPlan | undefined {
    return this.#plans.shift();
  }

  clear(): void {
    this.#plans = [];
    this.#requests = 0;
  }

  /** The batch that the checkpoint has as being sent is sent again, unchanged. */
  resume({ inflight, cursor }: Books, shapes: Pick<BatchShapes, 'of'>): void {
    this.clear();
    const [range] = inflight;
    if (range?.from.seq !== cursor.seq) return;
    const { lines, overflow, options } = range;
    this.#plans = [{ lines, overflow, shape: shapes.of(options) }];
  }

  /** After all that is planned. */
  add(plan: BatchPlan): void {
    this.#plans.push(plan);
  }

  /** The same batch is to be made of the log again. */
  again({ lines, overflow, shape }: ShapedCut): void {
    this.#plans.unshift({ lines, overflow, shape });
  }

  /** What the drain is owed goes with a new batch, unless it did not want that. */
  overflowOf({ owed }: Books): OverflowReport | undefined {
    return this.#isOverflowUnwanted ? undefined : owed;
  }

  delivered(): void {
    this.#isOverflowUnwanted = false;
    // A good piece of a batch in which something offends: the rest of it has fewer requests left.
    if (this.#requests > 0 && ++this.#requests >= this.#options.splitRequestsMax) {
      this.#requests = 0;
    }
  }

  refused({ overflow }: BatchPlan): void {
    this.#isOverflowUnwanted ||= overflow !== undefined;
  }

  /** A batch has come to its end: where no piece is left, no search is. */
  settled(): void {
    if (this.#plans.length === 0) this.#requests = 0;
  }

  /** Plans the pieces of a batch; false when it is not to be cut any further, and so is refused. */
  split(batch: BatchPlan, { isTooLarge }: { isTooLarge: boolean }): boolean {
    // Every halving of what is too large gets nearer to what fits; only the search for what offends is bounded.
    const isSpent = !isTooLarge && ++this.#requests >= this.#options.splitRequestsMax;
    const split = splitOf(batch, isSpent);
    if (split.kind === 'pieces') {
      this.refused(batch);
      this.#plans.unshift(...split.pieces);
      return true;
    }
    // What is unsent are new batches, each with its own requests.
    this.#requests = 0;
    return false;
  }
}

/** Two halves, without the L10, which may be what the receiver does not want; or the line alone, without it. */
function splitOf({ lines, overflow }: BatchPlan, isSpent: boolean): Split {
  const piece = (count: number): BatchPlan => ({ lines: count, overflow: undefined });
  if (lines <= 1 && overflow) return { kind: 'pieces', pieces: lines === 1 ? [piece(1)] : [] };
  if (lines <= 1 || isSpent) return { kind: 'refused' };
  const half = Math.ceil(lines / 2);
  return { kind: 'pieces', pieces: [piece(half), piece(lines - half)] };
}

import type { ShapedCut } from './batch-shape.ts';
import type { Delivery } from './drain.ts';
import type { InflightRange } from './drain-books.ts';
import type { Place } from './place.ts';

export type FailedDelivery = Extract<Delivery, { kind: 'retry' | 'hold' }>;

/** A batch that was sent, or will be, and has not come to its end in the books. */
export interface FlyingBatch {
  readonly range: InflightRange;
  /** Undefined when it was sent by an earlier life of the process. Without its bytes once the flight has landed. */
  readonly cut: ShapedCut | undefined;
  /** Undefined while it is being sent; of a flight that has landed: when it is to be sent again. */
  readonly delivery: Delivery | undefined;
}

type Flying = { -readonly [K in keyof FlyingBatch]: FlyingBatch[K] } & {
  attempt: Promise<void> | undefined;
};

/**
 * The batches of one drain that are under way at once, in the order of their lines. In that order they come to their
 * ends: one that arrives before those in front of it waits here.
 *
 * ```
 * flying: each is being sent, or was taken ──► one was not: land ──► landed: one by one, those that arrived not again
 *    ▲                                                                  │
 *    └──────────────────────────── none is left ◄───────────────────────┘
 * ```
 */
export class BatchFlight {
  readonly #batchesMax: number;
  readonly #answered: () => void;
  #batches: Flying[] = [];
  #hasLanded = false;

  /** `answered` is called whenever an attempt is over. */
  constructor(options: { readonly concurrency: number }, parts: { answered: () => void }) {
    this.#batchesMax = options.concurrency;
    this.#answered = parts.answered;
  }

  /** Some of them are being sent, or were taken and wait for their turn. */
  get isUnderWay(): boolean {
    return !this.#hasLanded && this.#batches.length > 0;
  }

  get hasLanded(): boolean {
    return this.#hasLanded && this.#batches.length > 0;
  }

  /** One more may go: there is room, and none has met with anything but success. */
  get isOpen(): boolean {
    if (this.hasLanded || this.#batches.length >= this.#batchesMax) return false;
    return this.#batches.every(({ delivery }) => !delivery || isEnd(delivery));
  }

  get front(): FlyingBatch | undefined {
    return this.#batches[0];
  }

  /** Where the last of those under way ends. */
  get end(): Place | undefined {
    return this.isUnderWay ? this.#batches.at(-1)?.range.to : undefined;
  }

  /** One of them has an L10, which may still arrive. */
  get hasOverflow(): boolean {
    return this.#batches.some(({ range }) => range.overflow !== undefined);
  }

  /** What an earlier life of the process was sending: nobody knows what has arrived of it. */
  resume(ranges: readonly InflightRange[]): void {
    this.#hasLanded = true;
    this.#batches = ranges.map((range) => ({
      range,
      cut: undefined,
      delivery: undefined,
      attempt: undefined,
    }));
  }

  add(cut: ShapedCut, answer: Promise<Delivery>): void {
    this.#hasLanded = false;
    const { from, to, lines, overflow, shape } = cut;
    const range = { from, to, lines, overflow, options: shape.saved };
    const flying: Flying = { range, cut, delivery: undefined, attempt: undefined };
    flying.attempt = answer.then((delivery) => {
      flying.delivery = delivery;
      this.#answered();
    });
    this.#batches.push(flying);
  }

  shift(): void {
    this.#batches.shift();
  }

  /** Resolves when nothing is being sent. */
  async settled(): Promise<void> {
    await Promise.all(this.#batches.flatMap(({ attempt }) => attempt ?? []));
  }

  /**
   * Waits for the answers; then of each batch no more is kept than whether it has come to its end. Of the failures,
   * which happened together and so count as one, it returns that which asks for the longest wait.
   */
  async land(): Promise<FailedDelivery | undefined> {
    await this.settled();
    this.#hasLanded = true;
    const failures = this.#batches.flatMap(({ delivery }) => failureOf(delivery));
    for (const flying of this.#batches) {
      const { cut, delivery } = flying;
      if (cut) flying.cut = { ...cut, body: Buffer.alloc(0) };
      cut?.shape.encoder.recycle(cut.body);
      flying.delivery = delivery && isEnd(delivery) ? delivery : undefined;
    }
    return failures.toSorted((a, b) => urgency(b) - urgency(a))[0];
  }

  /** Of a flight that has landed: the next one at line `seq` or after it. Those before have come to another end. */
  nextFrom(seq: number): FlyingBatch | undefined {
    while (this.front && this.front.range.from.seq < seq) this.shift();
    return this.front;
  }

  /** The next that has arrived and begins before line `seq`; those in front of it are forgotten. */
  skipToArrived(seq: number): FlyingBatch | undefined {
    const isArrived = ({ delivery, range }: Flying): boolean =>
      delivery?.kind === 'delivered' && range.from.seq < seq;
    const index = this.#batches.findIndex(isArrived);
    if (index > 0) this.#batches.splice(0, index);
    return index < 0 ? undefined : this.front;
  }

  clear(): void {
    this.#batches = [];
  }
}

/** The lines have come to an end, whatever becomes of others. */
export function isEnd({ kind }: Delivery): boolean {
  return kind === 'delivered' || kind === 'refused';
}

function failureOf(delivery: Delivery | undefined): FailedDelivery[] {
  return delivery?.kind === 'retry' || delivery?.kind === 'hold' ? [delivery] : [];
}

function urgency(failure: FailedDelivery): number {
  return failure.kind === 'hold' ? Infinity : (failure.afterMs ?? -1);
}

import type { LogBus, StoredRecord } from '../bus/bus.ts';
import type { Clock } from '../core/clock.ts';
import type { AppId, DrainId } from '../core/ids.ts';
import { cutBatch, type Cut } from './batch-cutter.ts';
import { BatchGathering, type BatchGatheringOptions } from './batch-gathering.ts';
import { BatchPlans, type BatchPlansOptions } from './batch-plans.ts';
import type { BatchShapes, ShapedCut } from './batch-shape.ts';
import type { Books, OverflowReport } from './drain-books.ts';
import { LineSource, type Hole, type LineSourceOptions } from './line-source.ts';
import type { Place } from './place.ts';
import type { QueueBudget } from './queue-budget.ts';

export interface BatchQueueOptions
  extends LineSourceOptions, BatchGatheringOptions, BatchPlansOptions {
  readonly id: DrainId;
  readonly app: AppId;
}

export interface BatchQueueParts {
  readonly bus: Pick<LogBus, 'read'>;
  /** What the queues of all drains together may hold. */
  readonly budget: QueueBudget;
  readonly shapes: BatchShapes;
  readonly clock: Clock;
  /** Lines were let go: whoever waits for them to be due has to read them again. */
  readonly released: () => void;
}

/** A drain's lines from its cursor on, as the batches that they make. */
export class BatchQueue {
  readonly #options: BatchQueueOptions;
  readonly #shapes: BatchShapes;
  readonly #source: LineSource;
  readonly #gathering: BatchGathering;
  readonly plans: BatchPlans;
  /** The lines of the batch that is being sent are not in memory. */
  #hasLetGo = false;

  constructor(options: BatchQueueOptions, parts: BatchQueueParts, books: Books) {
    const { bus, budget, shapes, clock } = parts;
    const released = (): void => {
      this.#gathering.released();
      parts.released();
    };
    this.#options = options;
    this.#shapes = shapes;
    const from = books.cursor;
    this.#source = new LineSource(options, { bus, budget, app: options.app, from, released });
    this.#gathering = new BatchGathering(options, { source: this.#source, clock });
    this.plans = new BatchPlans(options);
    this.plans.resume(books, shapes);
  }

  get bytes(): number {
    return this.#source.bytes;
  }

  get isLive(): boolean {
    return this.#source.isLive;
  }

  /** What comes next, when it is not a line. */
  get hole(): Hole | undefined {
    const { first } = this.#source;
    return first?.kind === 'record' ? undefined : first;
  }

  /** All of the next batch is in memory, as far as it is decided on. */
  get hasNext(): boolean {
    const { first, lines } = this.#source;
    return first?.kind === 'record' && lines >= (this.plans.next?.lines ?? 0);
  }

  /** A live record; true when somebody has to look. */
  offer(stored: StoredRecord): boolean {
    return this.#gathering.offer(stored);
  }

  /** Reads what the next batch is short of, unless `stop` aborts. */
  async fill(stop: AbortSignal): Promise<void> {
    while (!stop.aborted && this.#gathering.mustRead(this.plans.next)) await this.#source.read();
  }

  /** What was read has been looked at: from now on it may be let go. */
  filled(): void {
    this.#source.filled();
  }

  /** When the next batch is to be cut; undefined while there is nothing to send. */
  dueInMs(): number | undefined {
    return this.#gathering.dueInMs(this.plans.next);
  }

  /** The next batch; its lines stay queued until it has {@link passed}. A new one has what the drain is `owed`. */
  cut(owed: OverflowReport | undefined): ShapedCut | undefined {
    if (this.#source.first?.kind !== 'record') return undefined;
    const plan = this.plans.take();
    const shape = plan?.shape ?? this.#shapes.current;
    const limits = this.#gathering.limits(plan);
    const overflow = plan ? plan.overflow : owed;
    const drain = { id: this.#options.id, overflow };
    const cut = cutBatch(this.#source.items(), limits, shape.encoder, drain);
    this.#gathering.sending(cut?.lines ?? 0);
    this.#hasLetGo = false;
    return cut && { ...cut, shape };
  }

  /** A batch goes on its way. A laggard holds nothing meanwhile: should it fail, the log makes the same batch again. */
  sending(cut: ShapedCut): void {
    if (this.isLive) return;
    this.passed(cut.to);
    // Nor for the time until its next turn, unless that is another batch: a few lines would keep all of their page.
    if (!this.#gathering.isFull) this.#source.rewind(cut.to);
    this.#hasLetGo = true;
  }

  /** Nobody sends what was cut any more. */
  sent(): void {
    this.#gathering.sent();
  }

  /** The lines before `to` are dealt with, or a stream has them. */
  passed(to: Place): void {
    this.#gathering.sent();
    this.#source.passed(to);
  }

  /** Takes the hole off. */
  passHole(): void {
    this.plans.clear();
    this.#source.shift();
  }

  /** The receiver did not take so many bytes at once. */
  tooLarge(bytes: number): void {
    this.#gathering.tooLarge(bytes);
  }

  /** True while a batch that has to wait may be kept; else it is made again. */
  keeps(cut: ShapedCut): boolean {
    if (this.isLive && this.bytes <= this.#options.queueBytesMax) return true;
    this.plans.again(cut);
    if (this.#hasLetGo) this.takeBack(cut);
    else this.#source.release();
    return false;
  }

  /** The lines of a batch that was sent come next again. */
  takeBack(cut: Cut): void {
    if (this.#hasLetGo) this.#rewind(cut.from);
    this.#hasLetGo = false;
  }

  /** What comes after `place` is read again, and cut anew. */
  restart(place: Place): void {
    this.plans.clear();
    this.#rewind(place);
  }

  /** After a turn that failed half-way: what comes after `place` is read again, and cut as it was. */
  resume(books: Books, place: Place): void {
    this.plans.resume(books, this.#shapes);
    this.#rewind(place);
  }

  /** Nothing is taken or held any more. */
  close(): void {
    this.#source.close();
  }

  #rewind(place: Place): void {
    this.#gathering.sent();
    this.#source.rewind(place);
  }
}

import type { LogBus, StoredRecord } from '../../../src/bus/bus.ts';
import type { Clock } from '../../../src/core/clock.ts';
import { frameId } from '../../../src/drains/batch-cutter.ts';
import type { BatchShape, BatchShapes } from '../../../src/drains/batch-shape.ts';
import type { Books } from '../../../src/drains/drain-books.ts';
import type { Drain, StreamEvents } from '../../../src/drains/drain.ts';
import type { DrainMetrics } from '../../../src/drains/drain-metrics.ts';
import { DrainNotices } from '../../../src/drains/drain-notices.ts';
import {
  DrainWorker,
  type DrainWorkerOptions,
  type DrainWorkerParts,
} from '../../../src/drains/drain-worker.ts';
import type { FakeClock } from '../../support/fake-clock.ts';
import type { SeededChance } from '../../support/seeded-chance.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { NumberingEncoder } from './numbering-encoder.ts';
import { ModelledDrain, type ModelledApp } from './reference-model.ts';
import { mortalClock, type Life, type SimulatedLog } from './simulated-log.ts';
import type { SimulatedJournal } from './simulated-journal.ts';
import { SimulatedReceiver } from './simulated-receiver.ts';

export interface SimulatedDrainOptions extends DrainWorkerOptions {
  readonly isStream: boolean;
  readonly start: Books;
}

/** What the drains of one life share. */
type SharedParts = Pick<DrainWorkerParts, 'budget' | 'catchUp'>;

/** What the drain has to do with in all of its lives. */
export interface DrainWorld {
  readonly clock: FakeClock;
  readonly random: SeededChance;
  readonly log: SimulatedLog;
  readonly journal: SimulatedJournal;
  readonly metrics: DrainMetrics;
  /** What the model finds inside of a callback. */
  readonly guard: (judge: () => void) => void;
}

/** One drain: its receiver and its model, which outlive the node, and the worker of the node's present life. */
export class SimulatedDrain {
  readonly options: SimulatedDrainOptions;
  readonly receiver: SimulatedReceiver;
  readonly model: ModelledDrain;
  readonly #world: DrainWorld;
  #gap = ' ';
  #worker: DrainWorker | undefined;
  #dialled: (Drain & { breakOff(): void }) | undefined;

  constructor(options: SimulatedDrainOptions, app: ModelledApp, world: DrainWorld) {
    this.options = options;
    this.#world = world;
    const { clock, random } = world;
    this.model = new ModelledDrain(options, app, clock);
    this.receiver = new SimulatedReceiver({
      clock,
      random,
      isStream: options.isStream,
      saw: (attempt) => world.guard(() => this.model.attempted(attempt)),
    });
  }

  get worker(): DrainWorker {
    if (!this.#worker) throw new Error('the node is not up');
    return this.#worker;
  }

  offer(stored: StoredRecord): void {
    if (stored.record.app === this.options.app) this.#worker?.offer(stored);
  }

  /** The stream's connection breaks, if there is one. */
  breakOff(): void {
    this.#dialled?.breakOff();
  }

  /** The node goes up; the books that it finds are `isWhole` when they are the last that the worker wrote. */
  starts(life: Life, shared: SharedParts, { isWhole }: { isWhole: boolean }): void {
    const { journal } = this.#world;
    const books = journal.books(this.options.id) ?? this.options.start;
    this.model.starts(books, { isWhole: isWhole && !journal.isBehind(this.options.id) });
    this.#worker = this.#makeWorker(life, shared, books);
    this.#worker.start();
  }

  #makeWorker(life: Life, shared: SharedParts, books: Books): DrainWorker {
    const { random, log, journal, metrics } = this.#world;
    const clock = mortalClock(this.#world.clock, life);
    const bus = log.seenBy(life, () => journal.sync());
    return new DrainWorker(
      this.options,
      {
        bus,
        ...shared,
        clock,
        chance: random,
        logger: silentLogger,
        metrics: metrics.of('https'),
        frameId: (from, lines) => frameId(this.options.id, from, lines),
        shapes: this.#shapes(),
        makeDrain: (events) => this.#dial(life, events),
        checkpoint: (changed) => this.#checkpoint(life, changed),
        notices: this.#notices(bus, clock),
      },
      books,
    );
  }

  /** Now and then the owner has changed the options: what was cut with the old ones is sent again as it was. */
  #shapes(): BatchShapes {
    if (this.#world.random.percent(20)) this.#gap = this.#gap === ' ' ? '  ' : ' ';
    const of = (saved: string | undefined): BatchShape => ({
      encoder: new NumberingEncoder(saved),
      saved,
    });
    return { current: of(this.#gap), of };
  }

  #notices(bus: LogBus, clock: Clock): DrainNotices {
    const { id, app } = this.options;
    return new DrainNotices(
      { id, app, maskedUrl: '', intervalMs: 10_000, retryMs: 60_000, readBytesMax: 4000 },
      { bus, clock, logger: silentLogger },
    );
  }

  #dial(life: Life, events: StreamEvents): { drain: Drain; isStream: boolean } {
    const dialled = this.receiver.dial({
      confirmed: (position) => void (life.isOver || events.confirmed(position)),
      broken: (...failure) => void (life.isOver || events.broken(...failure)),
    });
    this.#dialled = dialled;
    const deliver: Drain['deliver'] = (batch, signal) =>
      life.isOver ? new Promise(() => undefined) : dialled.deliver(batch, signal);
    return { drain: { deliver, close: dialled.close }, isStream: this.options.isStream };
  }

  #checkpoint(life: Life, books: Books | null): Promise<void> {
    const { guard, journal, clock } = this.#world;
    if (life.isOver || !books) return new Promise(() => undefined);
    guard(() => this.model.wrote(books));
    return journal.write(this.options.id, books, clock.monotonicMs());
  }
}

import type { LogBus, Page, StoredRecord } from '../../../src/bus/bus.ts';
import type { Clock } from '../../../src/core/clock.ts';
import { MemoryLog } from '../../support/memory-log.ts';
import type { SeededChance } from '../../support/seeded-chance.ts';

/** One run of the node; when it dies, nothing that it still does has an effect. */
export interface Life {
  isOver: boolean;
}

/** The log of one partition, that may be slow or fail to be read, and of which records rot. It outlives every node. */
export class SimulatedLog extends MemoryLog {
  readonly #clock: Clock;
  readonly #random: SeededChance;
  /** So many reads go wrong, every other one. */
  failingReads = 0;
  /** Offsets of records that nobody can read any more. */
  readonly unreadable = new Set<number>();

  constructor(parts: { clock: Clock; random: SeededChance }) {
    super();
    this.#clock = parts.clock;
    this.#random = parts.random;
  }

  /** As one life of the node sees it: out of reach after its end. */
  seenBy(life: Life, sync: () => void): LogBus {
    const alive = <T>(call: () => Promise<T>): Promise<T> =>
      life.isOver ? new Promise(() => undefined) : call();
    return {
      logId: this.logId,
      partitions: 1,
      partitionOf: (app) => this.partitionOf(app),
      append: (records) => alive(() => this.append(records)),
      subscribe: (handlers) => this.subscribe(handlers),
      seek: (app, to) => alive(() => this.seek(app, to)),
      count: (app, from, to) => alive(() => this.count(app, from, to)),
      weigh: (app, from) => alive(() => this.weigh(app, from)),
      bounds: (partition, app) => alive(() => this.bounds(partition, app)),
      read: (from, bytesMax, app) =>
        alive(async () => {
          if (this.failingReads > 0 && this.failingReads-- % 2 === 0) throw new Error('EIO');
          const page = this.#withoutRot(await this.read(from, bytesMax, app));
          // Meanwhile lines arrive, and memory may be wanted by others.
          if (this.#random.percent(10)) await this.#clock.sleep(this.#random.int(1, 50));
          return page;
        }),
      problem: () => undefined,
      close: () => Promise.resolve(),
      checkpoints: {
        load: () => Promise.resolve(new Map()),
        append: () => Promise.resolve(),
        sync: () => alive(() => Promise.resolve(sync())),
      },
    };
  }

  #withoutRot(page: Page): Page {
    const isSound = ({ position }: StoredRecord): boolean => !this.unreadable.has(position.offset);
    return { ...page, records: page.records.filter(isSound) };
  }
}

/** Nothing falls due any more for a node that is dead. */
export function mortalClock(clock: Clock, life: Life): Clock {
  return {
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs(),
    sleep: (ms, signal) => (life.isOver ? new Promise(() => undefined) : clock.sleep(ms, signal)),
    after: (ms, task) => clock.after(ms, () => void (life.isOver || task())),
    every: (ms, task) => clock.every(ms, () => void (life.isOver || task())),
  };
}

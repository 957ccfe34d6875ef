import { Registry } from 'prom-client';
import type { LogBus, Page, StoredRecord } from '../../../src/bus/bus.ts';
import type { Clock } from '../../../src/core/clock.ts';
import { appId, drainId, type AppId } from '../../../src/core/ids.ts';
import { notices } from '../../../src/core/notices.ts';
import { auditBooks } from '../../../src/drains/drain-audit.ts';
import { newBooks, type Books } from '../../../src/drains/drain-books.ts';
import type { BatchEncoder } from '../../../src/drains/batch-cutter.ts';
import { DrainMetrics } from '../../../src/drains/drain-metrics.ts';
import { DrainNotices } from '../../../src/drains/drain-notices.ts';
import { DrainWorker, type DrainWorkerOptions } from '../../../src/drains/drain-worker.ts';
import { QueueBudget } from '../../../src/drains/queue-budget.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';
import { MemoryLog } from '../../support/memory-log.ts';
import { linesRecord, textsOf } from '../../support/records.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { workerDefaults } from '../../support/worker-kit.ts';
import { isUnwanted, ModelledApp, ModelledDrain } from './reference-model.ts';
import { Seeded } from './seeded.ts';
import { SimulatedJournal } from './simulated-journal.ts';
import { moods, SimulatedReceiver } from './simulated-receiver.ts';

interface SimulatedDrain {
  readonly options: DrainWorkerOptions;
  readonly isStream: boolean;
  readonly start: Books;
  readonly receiver: SimulatedReceiver;
  readonly model: ModelledDrain;
  worker: DrainWorker;
  breakOff: () => void;
}

/** One run of the node; when it dies, nothing that it still does has an effect. */
interface Life {
  isOver: boolean;
}

export interface Summary {
  readonly hours: number;
  readonly crashes: number;
  readonly lost: number;
  readonly refused: number;
  readonly delivered: number;
}

const stepsMax = 60;
const settledWithinMs = 2 * 3_600_000;

/** A node with its drains, on time and chance of its own. One seed is one history. */
export class Simulation {
  readonly #random: Seeded;
  readonly #clock = new FakeClock();
  readonly #log = new MemoryLog();
  readonly #journal = new SimulatedJournal();
  readonly #apps = new Map<AppId, ModelledApp>();
  readonly #drains: SimulatedDrain[] = [];
  readonly #metrics = new DrainMetrics(new Registry());
  readonly #stored: StoredRecord[] = [];
  #life: Life = { isOver: false };
  #budget = new QueueBudget({ queuesBytesMax: 1 });
  #lines = 0;
  #crashes = 0;
  #hadPowerCut = false;
  #failingReads = 0;
  #failure: unknown;

  constructor(seed: number) {
    this.#random = new Seeded(seed);
    const apps = this.#random.int(1, 2);
    for (let app = 1; app <= apps; app++) this.#apps.set(appId(app), new ModelledApp());
    this.#log.subscribe({
      assigned: () => undefined,
      revoked: () => undefined,
      records: (_partition, records) => records.forEach((record) => this.#published(record)),
    });
  }

  async run(): Promise<Summary> {
    for (const app of this.#apps.keys()) {
      if (this.#random.isLikely(0.5)) await this.#append(app);
      for (let n = this.#random.int(1, 2); n > 0; n--) await this.#addDrain(app);
    }
    this.#startLife(true);
    for (let step = 0; step < stepsMax; step++) {
      await this.#step();
      this.#check();
    }
    await this.#end();
    return this.#summary();
  }

  async #step(): Promise<void> {
    const random = this.#random;
    const drain = random.pick(this.#drains);
    const chance = random.int(0, 99);
    if (chance < 40) await this.#append(random.pick([...this.#apps.keys()]));
    else if (chance < 60) drain.receiver.mood = random.pick(moods);
    else if (chance < 66) drain.breakOff();
    else if (chance < 72) await this.#kill();
    else if (chance < 75) await this.#cutPower();
    else if (chance < 79) await this.#restart();
    else if (chance < 86) this.#retain();
    else if (chance < 89) this.#failingReads = random.int(1, 20);
    else if (chance < 92) this.#log.refuse = this.#log.refuse ? undefined : new Error('no space');
    else if (chance < 94) this.#rot();
    else for (const { worker } of this.#drains) void worker.condition;
    // From milliseconds to hours.
    await this.#clock.advance(
      random.isLikely(0.3) ? 0 : Math.ceil(10 ** (random.fraction() * 6.8)),
    );
  }

  async #addDrain(app: AppId): Promise<void> {
    const random = this.#random;
    const model = this.#apps.get(app);
    if (!model) return;
    const id = drainId(this.#drains.length + 1);
    const isStream = random.isLikely(0.4);
    const options: DrainWorkerOptions = {
      ...workerDefaults,
      id,
      app,
      queueBytesMax: random.pick([1000, 4000, 20_000]),
      readBytesMax: random.pick([1, 500, 4000]),
      batchBytesMax: random.pick([60, 300, 3000]),
      batchLinesMax: random.pick([1, 3, 10, 100]),
      batchMsMax: random.pick([0, 20, 1000]),
      disableAfterMs: random.pick([12 * 3_600_000, 5 * 86_400_000, 5 * 86_400_000]),
      splitRequestsMax: random.pick([3, 20]),
    };
    const { head } = await this.#log.bounds(0, app);
    const start = newBooks({ position: head.position, seq: head.appSeq }, this.#clock.nowMs());
    const modelled = new ModelledDrain(id, model, isStream);
    const receiver = new SimulatedReceiver({
      clock: this.#clock,
      random,
      isStream,
      saw: (attempt) => this.#guard(() => modelled.attempted(attempt)),
    });
    const drain = {
      options,
      isStream,
      start,
      receiver,
      model: modelled,
      breakOff: () => undefined,
    };
    this.#drains.push(drain as unknown as SimulatedDrain);
  }

  #startLife(isWhole: boolean): void {
    const life: Life = { isOver: false };
    for (const { receiver } of this.#drains) receiver.hangUp();
    this.#life = life;
    const queuesBytesMax = this.#random.pick([1500, 10_000, 1 << 20]);
    this.#budget = new QueueBudget({ queuesBytesMax });
    for (const drain of this.#drains) {
      const books = this.#journal.books(drain.options.id) ?? drain.start;
      drain.model.starts(books, { isWhole });
      drain.worker = this.#makeWorker(drain, books, life);
      drain.worker.start();
    }
  }

  #makeWorker(drain: SimulatedDrain, books: Books, life: Life): DrainWorker {
    const { id, app } = drain.options;
    const clock = mortalClock(this.#clock, life);
    const bus = this.#mortalBus(life);
    const logger = silentLogger;
    const never = new Promise<never>(() => undefined);
    return new DrainWorker(
      drain.options,
      {
        bus,
        budget: this.#budget,
        clock,
        chance: this.#random,
        logger,
        metrics: this.#metrics,
        encoder: new NumberingEncoder(),
        makeDrain: (events) => {
          const dialled = drain.receiver.dial({
            confirmed: (position) => void (life.isOver || events.confirmed(position)),
            broken: (reason) => void (life.isOver || events.broken(reason)),
          });
          drain.breakOff = () => dialled.breakOff();
          const deliver: typeof dialled.deliver = (batch, signal) =>
            life.isOver ? never : dialled.deliver(batch, signal);
          return { drain: { deliver, close: dialled.close }, isStream: drain.isStream };
        },
        checkpoint: (changed) => {
          if (life.isOver || !changed) return never;
          this.#guard(() => drain.model.wrote(changed));
          this.#journal.write(id, changed, this.#clock.monotonicMs());
          return Promise.resolve();
        },
        notices: new DrainNotices(
          { id, app, maskedUrl: '', intervalMs: 10_000, retryMs: 60_000, readBytesMax: 4000 },
          { bus, clock, logger },
        ),
      },
      books,
    );
  }

  /** The log as one life of the node sees it: it may fail to be read, and is out of reach after the end. */
  #mortalBus(life: Life): LogBus {
    const alive = <T>(call: () => Promise<T>): Promise<T> =>
      life.isOver ? new Promise(() => undefined) : call();
    const log = this.#log;
    return {
      logId: log.logId,
      partitions: 1,
      partitionOf: (app) => log.partitionOf(app),
      append: (records) => alive(() => log.append(records)),
      subscribe: (handlers) => log.subscribe(handlers),
      seek: (app, to) => alive(() => log.seek(app, to)),
      count: (app, from, to) => alive(() => log.count(app, from, to)),
      bounds: (partition, app) => alive(() => log.bounds(partition, app)),
      read: (from, bytesMax, app) =>
        alive(async () => {
          if (this.#failingReads > 0 && this.#failingReads-- % 2 === 0) throw new Error('EIO');
          return this.#withoutRot(await log.read(from, bytesMax, app));
        }),
      problem: () => undefined,
      close: () => Promise.resolve(),
      checkpoints: {
        ...log.checkpoints,
        load: () => Promise.resolve(new Map()),
        append: () => Promise.resolve(),
        sync: () => alive(() => Promise.resolve(this.#journal.sync())),
      },
    };
  }

  #withoutRot(page: Page): Page {
    const isSound = ({ record, position }: StoredRecord): boolean =>
      this.#apps.get(record.app)?.unreadable.has(position.offset) !== true;
    return { ...page, records: page.records.filter(isSound) };
  }

  async #append(app: AppId): Promise<void> {
    const refuse = this.#log.refuse;
    this.#log.refuse = undefined;
    for (let n = this.#random.int(1, 8); n > 0; n--) {
      const texts = Array.from({ length: this.#random.int(0, 6) }, () => this.#line());
      const receivedAtMs = this.#clock.nowMs();
      await this.#log.append([linesRecord(app, texts, { receivedAtMs })]);
    }
    this.#log.refuse = refuse;
  }

  #line(): string {
    const end = this.#random.isLikely(0.2) ? '~' : this.#random.isLikely(0.05) ? '!' : '';
    return `line ${++this.#lines}${'.'.repeat(this.#random.int(0, 40))}${end}`;
  }

  #published(stored: StoredRecord): void {
    const { record } = stored;
    const twin = this.#stored.find((other) => other.record.notice?.id === record.notice?.id);
    // One that can no longer be read may be written again: nobody can know that it had been there.
    if (record.notice && twin) {
      const { oldestOffset, unreadable } = this.#apps.get(record.app) ?? new ModelledApp();
      const isGone = twin.position.offset < oldestOffset || unreadable.has(twin.position.offset);
      this.#guard(() => {
        if (!isGone) throw new Error(`a notice stands twice: ${record.notice?.id}`);
      });
    }
    this.#stored.push(stored);
    this.#apps.get(stored.record.app)?.published(stored);
    for (const { options, worker } of this.#drains) {
      if (options.app === stored.record.app) worker.offer(stored);
    }
  }

  async #kill(): Promise<void> {
    this.#life.isOver = true;
    this.#crashes++;
    await settle();
    this.#startLife(true);
  }

  async #cutPower(): Promise<void> {
    this.#life.isOver = true;
    this.#crashes++;
    this.#hadPowerCut = true;
    this.#journal.cut(this.#clock.monotonicMs() - this.#random.int(0, 1000));
    await settle();
    this.#startLife(false);
  }

  /** A stop in good order, that may run out of time. */
  async #restart(): Promise<void> {
    const deadline = new AbortController();
    const closing = Promise.all(this.#drains.map(({ worker }) => worker.close(deadline.signal)));
    await this.#clock.advance(this.#random.pick([0, 100, 20_000]));
    deadline.abort();
    const isClosed = await Promise.race([closing.then(() => true), this.#later()]);
    if (!isClosed) throw new Error('a stop does not end');
    this.#life.isOver = true;
    this.#startLife(true);
  }

  async #later(): Promise<false> {
    for (let n = 0; n < 20; n++) await settle();
    return false;
  }

  #retain(): void {
    const head = this.#stored.length;
    const oldest = [...this.#apps.values()][0]?.oldestOffset ?? 0;
    const offset = this.#random.int(oldest, head);
    this.#log.dropBefore(0, offset);
    for (const app of this.#apps.values()) app.oldestOffset = offset;
  }

  /** A record can no longer be read. */
  #rot(): void {
    const { record, position } = this.#stored.at(this.#random.int(-5, -1)) ?? {};
    if (record && position) this.#apps.get(record.app)?.unreadable.add(position.offset);
  }

  /** Faults stop; then everything has to come to an end. */
  async #end(): Promise<void> {
    for (const { receiver } of this.#drains) receiver.mood = 'fine';
    this.#failingReads = 0;
    this.#log.refuse = undefined;
    for (const app of this.#apps.keys()) await this.#append(app);
    for (let ms = 0; !(await this.#isSettled()); ms += 60_000) {
      this.#check();
      if (ms > settledWithinMs) throw new Error(`not settled: ${this.#states()}`);
      await this.#clock.advance(60_000);
    }
    this.#check();
    for (const drain of this.#drains) await this.#audit(drain);
    this.#life.isOver = true;
  }

  async #isSettled(): Promise<boolean> {
    for (const { worker, options } of this.#drains) {
      const { head } = await this.#log.bounds(0, options.app);
      const { cursor, notices: pending, owed, isDisabled } = worker.books;
      if (cursor.seq !== head.appSeq || pending.length > 0) return false;
      if (!isDisabled && worker.condition.state !== 'live') return false;
      // An L10 that is owed waits for a line to come with.
      if (owed && !isDisabled) await this.#append(options.app);
      if (owed && !isDisabled) return false;
    }
    return true;
  }

  async #audit({ worker, options, isStream, model }: SimulatedDrain): Promise<void> {
    const { id, app } = options;
    const { counts, isDisabled } = worker.books;
    const { imbalanceMessages } = await auditBooks(this.#log, app, worker.books);
    if (imbalanceMessages !== 0) throw new Error(`drain ${id}: off by ${imbalanceMessages}`);
    const announced = (code: string): number => this.#announced(code, id);
    if (announced('L10') !== counts.lost) {
      throw new Error(`drain ${id}: ${counts.lost} lost, ${announced('L10')} announced`);
    }
    if (announced('L18') !== counts.refused) {
      throw new Error(`drain ${id}: ${counts.refused} refused, ${announced('L18')} announced`);
    }
    const told = [...model.told.values()].reduce((sum, count) => sum + count, 0);
    const isExact = !isStream && !this.#hadPowerCut;
    const isTold = isExact ? told === counts.lost : told >= counts.lost;
    if (!isTold && !isDisabled) throw new Error(`drain ${id}: ${counts.lost} lost, ${told} told`);
  }

  #announced(code: string, drain: number): number {
    const counts = new Map<string, number>();
    for (const { record } of this.#stored) {
      if (record.notice?.id.startsWith(`${code}-${drain}-`) !== true) continue;
      const [text = ''] = textsOf(record.frames);
      counts.set(record.notice.id, Number(/: (\d+) messages/.exec(text)?.[1]));
    }
    return [...counts.values()].reduce((sum, count) => sum + count, 0);
  }

  #states(): string {
    const states = this.#drains.map(({ worker, options, isStream }) => ({
      drain: options.id,
      isStream,
      ...worker.condition,
      cursor: worker.books.cursor.seq,
      lines: this.#apps.get(options.app)?.lines.length,
      owed: worker.books.owed,
      notices: worker.books.notices,
    }));
    return JSON.stringify(states);
  }

  #summary(): Summary {
    const sum = (outcome: 'lost' | 'refused' | 'delivered'): number =>
      this.#drains.reduce((total, { worker }) => total + worker.books.counts[outcome], 0);
    return {
      hours: this.#clock.monotonicMs() / 3_600_000,
      crashes: this.#crashes,
      lost: sum('lost'),
      refused: sum('refused'),
      delivered: sum('delivered'),
    };
  }

  /** What the model finds inside of a callback is thrown at the next step. */
  #guard(judge: () => void): void {
    try {
      judge();
    } catch (error) {
      this.#failure ??= error;
    }
  }

  #check(): void {
    if (this.#failure !== undefined) throw this.#failure as Error;
  }
}

function mortalClock(clock: FakeClock, life: Life): Clock {
  return {
    nowMs: () => clock.nowMs(),
    monotonicMs: () => clock.monotonicMs(),
    sleep: (ms, signal) => (life.isOver ? new Promise(() => undefined) : clock.sleep(ms, signal)),
    after: (ms, task) => clock.after(ms, () => void (life.isOver || task())),
    every: (ms, task) => clock.every(ms, () => void (life.isOver || task())),
  };
}

/** Encodes a line as its number, its text and LF; leaves out what its owner does not want. */
class NumberingEncoder implements BatchEncoder {
  #texts: string[] = [];
  #bytes = 0;
  #bytesMax = 0;

  get messages(): number {
    return this.#texts.length;
  }

  get isFull(): boolean {
    return this.#bytes >= this.#bytesMax;
  }

  begin(bytesMax: number): void {
    this.#bytesMax = bytesMax;
    this.#texts = [];
    this.#bytes = 0;
  }

  overflow(report: { count: number; sinceMs: number; exact: boolean }): void {
    this.#add(notices.drainOverflow(report.count, report.sinceMs, report.exact));
  }

  lines(stored: StoredRecord, fromLine: number, toLine: number): number {
    const texts = textsOf(stored.record.frames);
    for (let line = fromLine; line < toLine; line++) {
      const text = `${stored.appSeq + line} ${texts[line] ?? ''}`;
      if (isUnwanted(text)) continue;
      if (this.messages > 0 && this.#bytes + text.length > this.#bytesMax) return line;
      this.#add(text);
    }
    return toLine;
  }

  finish(): Buffer {
    return Buffer.from(this.#texts.map((text) => `${text}\n`).join(''));
  }

  recycle(body: Buffer): void {
    // Whoever still reads it finds nonsense.
    body.fill('?');
  }

  #add(text: string): void {
    this.#texts.push(text);
    this.#bytes += text.length + 1;
  }
}

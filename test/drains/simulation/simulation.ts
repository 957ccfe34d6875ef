import { Registry } from 'prom-client';
import type { StoredRecord } from '../../../src/bus/bus.ts';
import { appId, drainId, type AppId } from '../../../src/core/ids.ts';
import { loopRest } from '../../../src/core/loop-rest.ts';
import { LoopShare } from '../../../src/core/loop-share.ts';
import { auditBooks } from '../../../src/drains/drain-audit.ts';
import { newBooks } from '../../../src/drains/drain-books.ts';
import { DrainMetrics } from '../../../src/drains/drain-metrics.ts';
import { QueueBudget } from '../../../src/drains/queue-budget.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';
import { linesRecord, textsOf } from '../../support/records.ts';
import { SeededChance } from '../../support/seeded-chance.ts';
import { workerDefaults } from '../../support/worker-kit.ts';
import { ModelledApp } from './reference-model.ts';
import { SimulatedDrain } from './simulated-drain.ts';
import { SimulatedJournal } from './simulated-journal.ts';
import { SimulatedLog, type Life } from './simulated-log.ts';
import { moods } from './simulated-receiver.ts';

const stepsMax = 60;
const settledWithinMs = 2 * 3_600_000;
const dayMs = 86_400_000;

const stream = { isStream: true, concurrency: 1 };
const oneByOne = { isStream: false, concurrency: 1 };

/** A node with its drains, on time and chance of its own. One seed is one history. */
export class Simulation {
  /** What happened: a history in which nothing did proves nothing. */
  readonly seen = {
    hours: 0,
    kills: 0,
    powerCuts: 0,
    stops: 0,
    fullDisks: 0,
    memoryShortages: 0,
    unheard: 0,
    delivered: 0,
    lost: 0,
    refused: 0,
    dropped: 0,
    streamed: 0,
    atOnce: 0,
    crowded: 0,
    disabled: 0,
    held: 0,
    split: 0,
  };
  readonly #random: SeededChance;
  readonly #clock = new FakeClock();
  readonly #log: SimulatedLog;
  readonly #journal = new SimulatedJournal();
  readonly #apps = new Map<AppId, ModelledApp>();
  readonly #drains: SimulatedDrain[] = [];
  readonly #metrics = new DrainMetrics(new Registry());
  readonly #stored: StoredRecord[] = [];
  /** In a few histories a drain fails for days. */
  readonly #longStep: number;
  #life: Life = { isOver: false };
  #budget = new QueueBudget({ queuesBytesMax: 1 });
  #lines = 0;
  #isEnding = false;
  #failure: unknown;

  constructor(seed: number) {
    this.#random = new SeededChance(seed);
    this.#log = new SimulatedLog({ clock: this.#clock, random: this.#random });
    const apps = this.#random.int(1, 2);
    for (let app = 1; app <= apps; app++) {
      this.#apps.set(appId(app), new ModelledApp(this.#log.unreadable));
    }
    this.#longStep = this.#random.percent(5) ? this.#random.below(stepsMax) : -1;
    this.#log.subscribe({
      assigned: () => undefined,
      revoked: () => undefined,
      records: (_partition, records) => records.forEach((record) => this.#published(record)),
    });
  }

  async run(): Promise<void> {
    for (const app of this.#apps.keys()) {
      if (this.#random.percent(50)) await this.#append(app);
      for (let n = this.#random.int(1, 2); n > 0; n--) await this.#addDrain(app);
    }
    this.#startLife({ isWhole: true });
    for (let step = 0; step < stepsMax; step++) {
      await this.#step();
      await this.#clock.advance(this.#pauseMs(step));
      this.#check();
    }
    await this.#end();
    this.#sum();
  }

  async #step(): Promise<void> {
    const random = this.#random;
    const drain = random.pick(this.#drains);
    const chance = random.below(100);
    if (chance < 40) await this.#append(random.pick([...this.#apps.keys()]));
    else if (chance < 60) drain.receiver.mood = random.pick(moods);
    else if (chance < 66) drain.breakOff();
    else if (chance < 72) await this.#kill();
    else if (chance < 75) await this.#cutPower();
    else if (chance < 79) await this.#stop();
    else if (chance < 86) this.#retain();
    else if (chance < 89) this.#log.failingReads = random.int(1, 20);
    else if (chance < 92) this.#log.refuse = this.#log.refuse ? undefined : new Error('no space');
    else if (chance < 94) this.#rot();
    else if (chance < 96) this.#fillDisk();
    else for (const { worker } of this.#drains) void worker.condition;
  }

  /** From milliseconds to hours. */
  #pauseMs(step: number): number {
    if (step === this.#longStep) return this.#random.int(1, 6) * dayMs;
    return this.#random.percent(30) ? 0 : Math.ceil(10 ** (this.#random.fraction() * 6.8));
  }

  async #addDrain(app: AppId): Promise<void> {
    const random = this.#random;
    const model = this.#apps.get(app);
    if (!model) return;
    const { head } = await this.#log.bounds(0, app);
    const options = {
      ...workerDefaults,
      id: drainId(this.#drains.length + 1),
      app,
      queueBytesMax: random.pick([1000, 4000, 20_000]),
      readBytesMax: random.pick([1, 500, 4000]),
      batchBytesMax: random.pick([60, 300, 3000]),
      batchLinesMax: random.pick([1, 3, 10, 100]),
      batchMsMax: random.pick([0, 20, 1000]),
      disableAfterMs: random.pick([3_600_000, 5 * dayMs, 5 * dayMs, 5 * dayMs]),
      splitRequestsMax: random.pick([3, 20]),
      smallBatchMs: random.pick([1000, 600_000]),
      ...random.pick([
        stream,
        stream,
        oneByOne,
        oneByOne,
        { isStream: false, concurrency: random.int(2, 5) },
      ]),
      start: newBooks({ position: head.position, seq: head.appSeq }, this.#clock.nowMs()),
    };
    const drain = new SimulatedDrain(options, model, {
      clock: this.#clock,
      random,
      log: this.#log,
      journal: this.#journal,
      metrics: this.#metrics,
      guard: (judge) => this.#guard(judge),
    });
    this.#drains.push(drain);
  }

  #startLife({ isWhole }: { isWhole: boolean }): void {
    const life: Life = { isOver: false };
    for (const { receiver } of this.#drains) receiver.hangUp();
    this.#life = life;
    const queuesBytesMax = this.#random.pick([1500, 10_000, 1 << 20]);
    const short = (): void => void this.seen.memoryShortages++;
    this.#budget = new WatchedBudget(queuesBytesMax, short);
    const turnBytesMax = this.#random.pick([500, 1 << 20]);
    const idleMs = (): number => this.#clock.monotonicMs() / 2;
    const rest = loopRest({ restMsMax: 4 }, { clock: this.#clock, idleMs });
    const catchUp = new LoopShare({ turnBytesMax }, this.#random.pick([{}, { rest }]));
    const shared = { budget: this.#budget, catchUp };
    for (const drain of this.#drains) drain.starts(life, shared, { isWhole });
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
    const end = this.#random.percent(20) ? '~' : this.#random.percent(5) ? '!' : '';
    return `line ${++this.#lines}${'.'.repeat(this.#random.int(0, 40))}${end}`;
  }

  #published(stored: StoredRecord): void {
    const { record } = stored;
    if (record.notice) this.#guard(() => this.#isFirst(stored));
    this.#stored.push(stored);
    this.#apps.get(record.app)?.published(stored);
    for (const drain of this.#drains) {
      // What carries live lines need not be reliable.
      if (!this.#isEnding && this.#random.percent(2)) this.seen.unheard++;
      else drain.offer(stored);
    }
  }

  /** One that can no longer be read may be written again: nobody can know that it had been there. */
  #isFirst({ record }: StoredRecord): void {
    const app = this.#apps.get(record.app);
    const twins = this.#stored.filter((other) => other.record.notice?.id === record.notice?.id);
    const isRight = twins.every(({ position }) => app?.isUnreadable(position.offset));
    if (!isRight) throw new Error(`a notice stands twice: ${record.notice?.id}`);
  }

  async #kill(): Promise<void> {
    this.#life.isOver = true;
    this.seen.kills++;
    await settle();
    this.#startLife({ isWhole: true });
  }

  async #cutPower(): Promise<void> {
    this.#life.isOver = true;
    this.seen.powerCuts++;
    this.#journal.cut(this.#clock.monotonicMs() - this.#random.int(0, 1000));
    await settle();
    this.#startLife({ isWhole: false });
  }

  /** A stop in good order, that may run out of time. */
  async #stop(): Promise<void> {
    this.seen.stops++;
    const deadline = new AbortController();
    for (const { model } of this.#drains) model.hurries();
    let isClosed = false;
    const closing = Promise.all(this.#drains.map(({ worker }) => worker.close(deadline.signal)));
    void closing.then(() => (isClosed = true));
    await this.#clock.advance(this.#random.pick([0, 100, 20_000]));
    deadline.abort();
    // A read that is under way may end yet.
    for (let n = 0; n < 10 && !isClosed; n++) await this.#clock.advance(100);
    if (!isClosed) throw new Error('a stop does not end');
    this.#life.isOver = true;
    this.#startLife({ isWhole: true });
  }

  #retain(): void {
    const oldest = [...this.#apps.values()][0]?.oldestOffset ?? 0;
    const offset = this.#random.int(oldest, this.#stored.length);
    this.#log.dropBefore(0, offset);
    for (const app of this.#apps.values()) app.oldestOffset = offset;
  }

  /** A record can no longer be read. */
  #rot(): void {
    const { position } = this.#stored.at(this.#random.int(-5, -1)) ?? {};
    if (position) this.#log.unreadable.add(position.offset);
  }

  /** There is no more room for checkpoints; or again. */
  #fillDisk(): void {
    this.#journal.isFull = !this.#journal.isFull;
    this.seen.fullDisks++;
  }

  /** Faults stop; then everything has to come to an end. */
  async #end(): Promise<void> {
    this.#isEnding = true;
    for (const { receiver } of this.#drains) receiver.mood = 'fine';
    this.#log.failingReads = 0;
    this.#log.refuse = undefined;
    this.#journal.isFull = false;
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

  async #audit({ worker, options, model }: SimulatedDrain): Promise<void> {
    const { id, app } = options;
    const { counts, isDisabled } = worker.books;
    const { imbalanceMessages } = await auditBooks(this.#log, app, worker.books);
    if (imbalanceMessages !== 0) throw new Error(`drain ${id}: off by ${imbalanceMessages}`);
    for (const [code, outcome] of [
      ['L10', 'lost'],
      ['L18', 'refused'],
    ] as const) {
      const announced = this.#announced(code, id);
      if (announced !== counts[outcome]) {
        throw new Error(`drain ${id}: ${counts[outcome]} ${outcome}, ${announced} announced`);
      }
    }
    const isTold = isDisabled || model.isToldOf(counts.lost);
    if (!isTold) throw new Error(`drain ${id}: ${counts.lost} lost, and told otherwise`);
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
    const states = this.#drains.map(({ worker, options }) => ({
      drain: options.id,
      isStream: options.isStream,
      ...worker.condition,
      cursor: worker.books.cursor.seq,
      lines: this.#apps.get(options.app)?.lines.length,
      owed: worker.books.owed,
      notices: worker.books.notices,
    }));
    return JSON.stringify(states);
  }

  #sum(): void {
    this.seen.hours = this.#clock.monotonicMs() / 3_600_000;
    for (const { worker, options, receiver } of this.#drains) {
      const { counts, isDisabled } = worker.books;
      const way = options.isStream ? 'streamed' : options.concurrency > 1 ? 'atOnce' : 'delivered';
      this.seen[way] += counts.delivered;
      this.seen.crowded +=
        receiver.mostAtOnce === options.concurrency && options.concurrency > 1 ? 1 : 0;
      this.seen.lost += counts.lost;
      this.seen.refused += counts.refused;
      this.seen.dropped += counts.dropped;
      this.seen.disabled += isDisabled ? 1 : 0;
      this.seen.held += receiver.answers.hold;
      this.seen.split += receiver.answers.split;
    }
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
    const queued = this.#drains.reduce((sum, { worker }) => sum + worker.queuedBytes, 0);
    if (this.#budget.bytes !== queued) {
      throw new Error(`${queued} bytes are queued, and ${this.#budget.bytes} accounted for`);
    }
  }
}

/** Tells when there is not enough memory for all drains. */
class WatchedBudget extends QueueBudget {
  readonly #bytesMax: number;
  readonly #short: () => void;

  constructor(queuesBytesMax: number, short: () => void) {
    super({ queuesBytesMax });
    this.#bytesMax = queuesBytesMax;
    this.#short = short;
  }

  override changed(bytes: number): void {
    if (bytes > 0 && this.bytes + bytes > this.#bytesMax) this.#short();
    super.changed(bytes);
  }
}

import { expect } from 'vitest';
import { EmbeddedLog, type EmbeddedLogOptions } from '../../src/bus/embedded/embedded-log.ts';
import { BusMetrics } from '../../src/bus/embedded/bus-metrics.ts';
import { appId } from '../../src/core/ids.ts';
import type { Logger } from '../../src/core/logger.ts';
import { Registry } from 'prom-client';
import { embeddedDefaults } from './embedded.ts';
import { FakeClock, settle } from './fake-clock.ts';
import { LogModel } from './log-model.ts';
import { SeededChance } from './seeded-chance.ts';
import { silentLogger } from './silent-logger.ts';
import { SimulatedDisk, type Fault, type SimulatedStorage } from './simulated-storage.ts';

interface Process {
  readonly storage: SimulatedStorage;
  readonly clock: FakeClock;
  readonly bus: EmbeddedLog;
  /** Checkpoints appended a second before this are durable. */
  settledMs: number;
  isOver: boolean;
}

interface CheckpointVersion {
  readonly n: number;
  readonly atMs: number;
  /** The append has resolved: it survives the end of the process. */
  isWritten: boolean;
}

const drainKey = 'drain:1';

/**
 * One seeded life of a log: several processes one after the other on one simulated disk, each doing what chance
 * says until it is killed or loses power, at any operation, also while it starts.
 */
export class LogScenario {
  readonly seen = { cuts: 0, kills: 0, torn: 0, dropped: 0, acknowledged: 0, refused: 0 };
  readonly #chance: SeededChance;
  readonly #disk = new SimulatedDisk();
  readonly #options: EmbeddedLogOptions;
  readonly #model = new LogModel([1, 2, 3, 4]);
  #versions: CheckpointVersion[] = [];
  #version = 0;
  /** The end comes where a power cut has the most to tear. */
  #isAimed = false;
  /** Without space for a checkpoint it is made durable later than within a second. */
  #isCheckpointLate = false;
  #oldest: number[];

  constructor(seed: number) {
    this.#chance = new SeededChance(seed);
    const chance = this.#chance;
    this.#options = {
      ...embeddedDefaults,
      partitions: chance.pick([1, 1, 2]),
      segmentBytes: chance.pick([1000, 4000, 20_000]),
      retentionBytesMax: chance.pick([8000, 30_000, 10 ** 9]),
      commitBytesMax: chance.pick([300, 8 << 20]),
      indexCacheBytesMax: chance.pick([500, 64 << 20]),
      checkpointCompactBytesMin: chance.pick([300, 8 << 20]),
    };
    this.#oldest = Array.from({ length: this.#options.partitions }, () => 0);
  }

  async run(): Promise<void> {
    const lives = 2 + this.#chance.below(3);
    for (let life = 0; life < lives; life++) {
      const process = await this.#start(this.#chance.pick([0, 15, 40, 120, 200]));
      if (process) await this.#live(process);
      this.#end(process?.settledMs ?? -Infinity);
    }
    const last = await this.#start(0);
    if (!last) throw new Error('a start without faults did not end');
    await this.#work(last, 5);
    await last.bus.close();
    this.#noteOldest(last.bus);
    expect(last.storage.openFiles, 'files left open').toBe(0);
    const again = await this.#start(0);
    await again?.bus.close();
    this.seen.acknowledged = this.#model.acknowledged;
  }

  /** Undefined when the process ended while it started. `crashAt` 0: it lives. */
  async #start(crashWithin: number): Promise<Process | undefined> {
    const chance = this.#chance;
    const crashAt = crashWithin === 0 ? 0 : 1 + chance.below(crashWithin);
    const errorAt = crashAt > 0 && chance.percent(30) ? chance.below(crashAt) : -1;
    const turnsMax = chance.pick([0, 0, 3]);
    // Between a write and its sync is where a record is torn.
    const isAimed = crashAt > 0 && chance.percent(50);
    this.#isAimed = isAimed;
    this.#isCheckpointLate = false;
    const storage = this.#disk.attach({
      before: (kind, { n }, path) => {
        const isTarget = isAimed
          ? n >= crashAt && kind === 'sync' && path.startsWith('log/')
          : n === crashAt;
        if (crashAt > 0 && isTarget) {
          return { kind: 'crash', when: isAimed ? 'before' : chance.pick(moments) };
        }
        if (n !== errorAt) return undefined;
        this.#isCheckpointLate ||= path.startsWith('checkpoints');
        return noSpace;
      },
      latency: async () => {
        for (let turns = chance.below(turnsMax + 1); turns > 0; turns--) {
          await new Promise((resolve) => setImmediate(resolve));
        }
      },
    });
    const clock = new FakeClock();
    const fatal = Promise.withResolvers<never>();
    const opening = EmbeddedLog.open(this.#options, {
      storage,
      clock,
      chance,
      logger: this.#logger(),
      metrics: new BusMetrics(new Registry()),
      onFatal: fatal.reject,
    });
    let bus: EmbeddedLog | undefined;
    try {
      bus = await Promise.race([opening, fatal.promise, storage.crashed.then(() => undefined)]);
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code !== 'ENOSPC') throw error;
      expect(storage.openFiles, 'files left open by a failed start').toBe(0);
      return undefined;
    }
    if (!bus) return undefined;
    fatal.promise.catch(() => undefined);
    await this.#check(bus);
    this.#model.follow(bus);
    return { storage, clock, bus, settledMs: 0, isOver: false };
  }

  async #check(bus: EmbeddedLog): Promise<void> {
    await this.#model.check(bus);
    for (let partition = 0; partition < bus.partitions; partition++) {
      const { oldest } = await bus.bounds(partition);
      expect(oldest.position.offset).toBeLessThanOrEqual(this.#oldest[partition] ?? 0);
    }
    const entry = (await bus.checkpoints.load(0)).get(drainKey);
    const n = Number(entry?.['n'] ?? 0);
    const least = this.#versions.findLast(({ isWritten }) => isWritten)?.n ?? 0;
    expect(n, 'checkpoint too old').toBeGreaterThanOrEqual(least);
    expect(n, 'checkpoint from nowhere').toBeLessThanOrEqual(this.#version);
    expect(entry?.['delivered'] ?? 0, 'cursor and counters apart').toBe(n * 7);
    // A start makes all that it found durable.
    this.#versions = [{ n, atMs: -Infinity, isWritten: true }];
  }

  async #live(process: Process): Promise<void> {
    await Promise.race([this.#work(process, 60), process.storage.crashed]);
    process.isOver = true;
    this.#noteOldest(process.bus);
    if ((this.#oldest[0] ?? 0) > 0) this.seen.dropped++;
  }

  #noteOldest(bus: EmbeddedLog): void {
    for (let partition = 0; partition < bus.partitions; partition++) {
      this.#oldest[partition] = bus.startOfRecent(partition, -Infinity, Infinity).offset;
    }
  }

  async #work(process: Process, steps: number): Promise<void> {
    const waiting: Promise<void>[] = [];
    for (let step = 0; step < steps && !process.isOver; step++) {
      waiting.push(this.#step(process));
      if (this.#chance.percent(30)) await settle();
      if (this.#chance.percent(10)) await Promise.all(waiting.splice(0));
    }
    await Promise.all(waiting);
  }

  async #step(process: Process): Promise<void> {
    const { bus, clock } = process;
    const chance = this.#chance;
    const dice = chance.below(100);
    if (dice < 70) {
      const [app, records] = [chance.pick(this.#model.apps), 1 + chance.below(4)];
      await this.#model.append(bus, app, chance, records).catch((error: unknown) => {
        if ((error as { code?: string }).code !== 'BUS_UNAVAILABLE') throw error;
        this.seen.refused++;
      });
    } else if (dice < 85) {
      await this.#checkpoint(bus, clock);
    } else if (dice < 95) {
      await clock.advance(chance.pick([100, 1000, 2500]));
      const movedToMs = clock.monotonicMs();
      // Long enough for a sync that began at the last tick, behind a compaction.
      for (let turn = 0; turn < 20; turn++) await settle();
      process.settledMs = Math.max(process.settledMs, movedToMs);
    } else {
      const app = appId(chance.pick(this.#model.apps));
      const { oldest } = await bus.bounds(bus.partitionOf(app), app);
      await bus.read(oldest.position, 3000, app);
    }
  }

  async #checkpoint(bus: EmbeddedLog, clock: FakeClock): Promise<void> {
    const n = ++this.#version;
    const version = { n, atMs: clock.monotonicMs(), isWritten: false };
    this.#versions.push(version);
    const isSynced = this.#chance.percent(20);
    try {
      await bus.checkpoints.append(0, 1, new Map([[drainKey, { n, delivered: n * 7 }]]));
      version.isWritten = true;
      if (isSynced) {
        await bus.checkpoints.sync();
        this.#versions = this.#versions.map((v) => (v.n <= n ? { ...v, atMs: -Infinity } : v));
      }
    } catch {
      // No space: an entry that was refused need not survive.
    }
  }

  /** The process is gone; so is, after a power cut, what was not synced: checkpoints of the last second. */
  #end(settledMs: number): void {
    if (!this.#isAimed && this.#chance.percent(30)) {
      this.#disk.kill();
      this.seen.kills++;
      return;
    }
    this.#disk.cutPower(this.#chance);
    this.seen.cuts++;
    for (const version of this.#versions) {
      const durableByMs = this.#isCheckpointLate ? Infinity : version.atMs + 1000;
      if (version.atMs > -Infinity && durableByMs > settledMs) version.isWritten = false;
    }
  }

  #logger(): Logger {
    return {
      ...silentLogger,
      warn: (_facts, event) => {
        if (event === 'log.torn_tail_cut') this.seen.torn++;
      },
    };
  }
}

const moments = ['before', 'during', 'after'] as const;
const noSpace: Fault = { kind: 'error', code: 'ENOSPC' };

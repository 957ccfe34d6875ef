import { Registry } from 'prom-client';
import type { Sink } from '../../src/bus/sink.ts';
import { systemChance } from '../../src/core/chance.ts';
import type { AppId } from '../../src/core/ids.ts';
import { LoopShare } from '../../src/core/loop-share.ts';
import { Secret } from '../../src/core/secret.ts';
import { frameId } from '../../src/drains/batch-cutter.ts';
import { DrainManager, type DrainManagerOptions } from '../../src/drains/drain-manager.ts';
import { DrainMetrics } from '../../src/drains/drain-metrics.ts';
import { DrainNotices } from '../../src/drains/drain-notices.ts';
import {
  DrainWorker,
  type DrainWorkerOptions,
  type DrainWorkerParts,
} from '../../src/drains/drain-worker.ts';
import type { CertificateFacts } from '../../src/drains/egress/certificate-facts.ts';
import type { DrainEvent } from '../../src/drains/events/drain-event.ts';
import type { ProbeVerdict } from '../../src/drains/probe/drain-probe.ts';
import { QueueBudget } from '../../src/drains/queue-budget.ts';
import { EndedLog } from '../../src/drains/replay/ended-log.ts';
import { replayNotices } from '../../src/drains/replay/replay-notices.ts';
import { replayFrameId } from '../../src/drains/replay/replay-run.ts';
import type { DrainRow, RegistryChange } from '../../src/registry/registry.ts';
import { FakeClock } from './fake-clock.ts';
import { MemoryLog } from './memory-log.ts';
import { linesRecord } from './records.ts';
import { silentLogger } from './silent-logger.ts';
import { ScriptedDrain, TextEncoder, workerDefaults } from './worker-kit.ts';

const managerDefaults: DrainManagerOptions = {
  retryMs: 1000,
  handoverMsMax: 5000,
  failingMs: 86_400_000,
  replaysMax: 2,
  testsMax: 2,
  settleMsMax: 6000,
};

/** A manager with one drain on a log in memory, scripted receivers, and a directory that is changed by hand. */
export class ManagerKit {
  readonly clock = new FakeClock();
  readonly bus = new MemoryLog();
  /** The receivers of the live worker and of replays; each has all workers that there were. */
  readonly drain = new ScriptedDrain();
  readonly replayed = new ScriptedDrain();
  readonly events: DrainEvent[] = [];
  /** Of each process that there was. */
  readonly #metrics: Registry[] = [];
  /** What the next worker's connection has. */
  certificate: CertificateFacts | undefined;
  probe: () => Promise<ProbeVerdict> = () => Promise.reject(new Error('no answer'));
  /** The options that the machines were made with. */
  readonly made: DrainRow['options'][] = [];
  row: DrainRow;
  manager: DrainManager;
  readonly #options: DrainManagerOptions;
  #worker: DrainWorkerOptions;
  #isThere = true;
  #listener: (change: RegistryChange) => void = () => undefined;
  #sink: Sink | undefined;

  constructor(
    worker: Partial<DrainWorkerOptions> = {},
    manager: Partial<DrainManagerOptions> = {},
  ) {
    this.#options = { ...managerDefaults, ...manager };
    this.#worker = { ...workerDefaults, batchMsMax: 0, ...worker };
    const { id, app } = this.#worker;
    this.row = {
      id,
      app,
      token: 'd.token',
      url: new Secret('https://user:pw@drain.example/'),
      masked: 'https://***:***@drain.example/',
      options: {},
      start: { position: `${this.bus.logId}-0-0-0`, appSeq: 0 },
      createdAtMs: this.clock.nowMs(),
      isPaused: false,
      resumes: 0,
    };
    this.bus.subscribe({
      assigned: () => undefined,
      revoked: () => undefined,
      records: (_partition, records) => {
        for (const stored of records) {
          if (stored.record.app === app) this.#sink?.offer(stored);
        }
      },
    });
    this.manager = this.#make();
  }

  async start(): Promise<void> {
    await this.manager.start();
    await this.clock.advance(0);
  }

  stop(): Promise<void> {
    return this.manager.close(AbortSignal.abort());
  }

  /** A stop that leaves no time to send anything, and another process. */
  async restart(): Promise<void> {
    await this.stop();
    this.manager = this.#make();
    await this.start();
  }

  /** What the registry has of the drain from now on. */
  async change(change: Partial<DrainRow>): Promise<void> {
    this.row = { ...this.row, ...change };
    this.#listener({ kind: 'drain', drain: this.row.id });
    await this.clock.advance(0);
  }

  async resume(): Promise<void> {
    await this.change({ isPaused: false, resumes: this.row.resumes + 1 });
  }

  /** For the workers that are made from now on. */
  limitBatches(lines: number): void {
    this.#worker = { ...this.#worker, batchLinesMax: lines };
  }

  async remove(): Promise<void> {
    this.#isThere = false;
    await this.change({});
  }

  async append(...texts: string[]): Promise<void> {
    for (const text of texts) {
      const receivedAtMs = this.clock.nowMs();
      await this.bus.append([linesRecord(this.row.app, [text], { receivedAtMs })]);
    }
    await this.clock.advance(0);
  }

  async health() {
    const health = await this.manager.healthOf(this.row.id);
    if (!health) throw new Error('nothing runs for the drain');
    return health;
  }

  /** What the metrics have counted, of all processes. */
  async counted(outcome: string): Promise<number> {
    let count = 0;
    for (const registry of this.#metrics) {
      const metric = await registry.getSingleMetric('spillway_drain_messages_total')?.get();
      const row = metric?.values.find(({ labels }) => labels['outcome'] === outcome);
      count += row?.value ?? 0;
    }
    return count;
  }

  #make(): DrainManager {
    const { bus, clock } = this;
    const metricsRegistry = new Registry();
    this.#metrics.push(metricsRegistry);
    const metrics = new DrainMetrics(metricsRegistry);
    return new DrainManager(this.#options, {
      bus,
      clock,
      chance: systemChance,
      logger: silentLogger,
      metrics,
      registry: {
        listDrains: () => Promise.resolve(this.#isThere ? [this.row] : []),
        onChange: (listener) => {
          this.#listener = listener;
          return () => undefined;
        },
      },
      attach: (_app: AppId, sink: Sink) => {
        this.#sink = sink;
        return () => (this.#sink = undefined);
      },
      events: { tell: (event) => void this.events.push(event) },
      probe: () => this.probe(),
      makeNotices: ({ id, app, masked: maskedUrl }) =>
        new DrainNotices(
          { id, app, maskedUrl, intervalMs: 10_000, retryMs: 1000, readBytesMax: 4000 },
          { bus, clock, logger: silentLogger },
        ),
      makeMachine: (row, books, checkpoint, notices) => {
        this.made.push(row.options);
        const { certificate } = this;
        const worker = new DrainWorker(
          this.#worker,
          {
            ...this.#workerParts(this.drain),
            bus,
            notices,
            checkpoint,
            metrics: metrics.of('https'),
            frameId: (from, lines) => frameId(row.id, from, lines),
          },
          books,
        );
        return { worker, certificate: () => certificate };
      },
      makeReplayWorker: (_row, run, checkpoint) =>
        new DrainWorker(
          { ...this.#worker, disableAfterMs: 3_600_000 },
          {
            ...this.#workerParts(this.replayed),
            bus: new EndedLog({ bus, end: run.end }),
            notices: replayNotices,
            checkpoint,
            metrics: metrics.ofReplay('https'),
            frameId: (from, lines) => replayFrameId(run, from, lines),
          },
          run.books,
        ),
    });
  }

  #workerParts(
    drain: ScriptedDrain,
  ): Pick<
    DrainWorkerParts,
    'budget' | 'catchUp' | 'clock' | 'chance' | 'logger' | 'shapes' | 'makeDrain'
  > {
    const shape = { encoder: new TextEncoder() };
    return {
      budget: new QueueBudget({ queuesBytesMax: 1 << 30 }),
      catchUp: new LoopShare({ turnBytesMax: 1 << 15 }),
      clock: this.clock,
      chance: { fraction: () => 0.5, bytes: (n) => Buffer.alloc(n), uuid: () => '' },
      logger: silentLogger,
      shapes: { current: shape, of: () => shape },
      makeDrain: () => ({ drain, isStream: false }),
    };
  }
}

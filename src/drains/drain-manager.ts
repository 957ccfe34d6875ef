import type { LogBus } from '../bus/bus.ts';
import type { Sink } from '../bus/sink.ts';
import type { Chance } from '../core/chance.ts';
import type { Clock } from '../core/clock.ts';
import type { AppId, DrainId } from '../core/ids.ts';
import type { Logger } from '../core/logger.ts';
import type { Service } from '../core/service.ts';
import type { DrainRow, RegistryChange } from '../registry/registry.ts';
import type { Audit } from './drain-audit.ts';
import { DrainCheckpoints, type CheckpointReader } from './drain-checkpoints.ts';
import { auditOf, backlogOf, healthOf, type DrainHealth } from './drain-health.ts';
import { kindOf } from './drain-kind.ts';
import type { DrainMetrics, DrainTotals } from './drain-metrics.ts';
import {
  ManagedDrain,
  type ManagedDrainParts,
  type ReplayAnswer,
  type ReplayFrom,
} from './managed-drain.ts';
import type { ProbeVerdict } from './probe/drain-probe.ts';
import { RunningDrain, type RunningDrainOptions, type RunningDrainParts } from './running-drain.ts';

/** Who knows which drains there are. */
export interface DrainDirectory {
  listDrains(): Promise<readonly DrainRow[]>;
  onChange(listener: (change: RegistryChange) => void): () => void;
}

export interface DrainManagerOptions extends RunningDrainOptions {
  /** How soon a reading of the registry that failed is tried again. */
  readonly retryMs: number;
  /** Replays and tests that run at once, of all drains; each. */
  readonly replaysMax: number;
  readonly testsMax: number;
  /** How long a command of an owner waits to see its effect. */
  readonly settleMsMax: number;
}

export interface DrainManagerParts
  extends
    Pick<RunningDrainParts, 'makeMachine' | 'makeNotices' | 'events'>,
    Pick<ManagedDrainParts, 'makeReplayWorker' | 'probe'> {
  readonly bus: LogBus;
  readonly registry: DrainDirectory;
  readonly attach: (app: AppId, sink: Sink) => () => void;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly logger: Logger;
  readonly metrics: DrainMetrics;
}

interface Managed {
  readonly managed: ManagedDrain;
  readonly detach: () => void;
}

/** Drains whose books are checked in one turn of the event loop. */
const auditsPerTurn = 16;

/** Keeps what runs for each drain of the registry, from its addition to its removal. */
export class DrainManager implements Service {
  readonly #options: DrainManagerOptions;
  readonly #parts: DrainManagerParts;
  readonly #running = new Map<DrainId, Managed>();
  readonly #checkpoints: DrainCheckpoints;
  #unlisten: () => void = () => undefined;
  #reconciling: Promise<void> | undefined;
  #isStale = false;
  #isClosed = false;
  #tests = 0;

  constructor(options: DrainManagerOptions, parts: DrainManagerParts) {
    this.#options = options;
    this.#parts = parts;
    this.#checkpoints = new DrainCheckpoints(parts);
  }

  async start(): Promise<void> {
    const { registry, metrics } = this.#parts;
    this.#checkpoints.start();
    this.#unlisten = registry.onChange((change) => {
      if (change.kind === 'drain' || change.kind === 'app') this.#reconcileSoon();
    });
    await this.#reconcile();
    metrics.watch(() => this.#totals());
  }

  problem(): string | undefined {
    return undefined;
  }

  /** How a drain does; undefined while nothing runs for it. */
  async healthOf(id: DrainId): Promise<DrainHealth | undefined> {
    const managed = this.#running.get(id)?.managed;
    return managed && healthOf(managed.drain, managed.replay?.status, this.#parts);
  }

  /** Resolves when what the registry had of the drain has taken effect, or it takes too long to wait for. */
  async settled(id: DrainId): Promise<void> {
    const isOver = new AbortController();
    const tooLong = this.#parts.clock
      .sleep(this.#options.settleMsMax, isOver.signal)
      .catch(() => undefined);
    await Promise.race([this.#settle(id), tooLong]);
    isOver.abort();
  }

  /** Undefined while nothing runs for the drain; `busy` while one is under way, or too many of others. */
  async test(id: DrainId): Promise<ProbeVerdict | 'busy' | undefined> {
    if (this.#tests >= this.#options.testsMax) return 'busy';
    this.#tests++;
    try {
      return await this.#running.get(id)?.managed.test();
    } finally {
      this.#tests--;
    }
  }

  async startReplay(id: DrainId, from: ReplayFrom): Promise<ReplayAnswer | 'busy' | undefined> {
    if (this.#replays() >= this.#options.replaysMax) return 'busy';
    return this.#running.get(id)?.managed.startReplay(from);
  }

  async stopReplay(id: DrainId): Promise<boolean> {
    return (await this.#running.get(id)?.managed.stopReplay()) ?? false;
  }

  /** The drains with the most lines in front of them, for the operator; without anything secret. */
  async largestBacklogs(count: number): Promise<readonly object[]> {
    const audited: { drain: RunningDrain; audit: Audit }[] = [];
    for await (const one of this.#audits()) audited.push(one);
    audited.sort((a, b) => b.audit.backlogMessages - a.audit.backlogMessages);
    return Promise.all(
      audited.slice(0, count).map(async ({ drain, audit }) => {
        const { state, lastError } = drain.condition;
        const { messages, bytes, ageMs } = await backlogOf(drain, audit, this.#parts);
        return {
          drain: drain.id,
          app: drain.app,
          kind: kindOf(drain.row.masked),
          state,
          backlog: { messages, bytes, age_seconds: Math.round(ageMs / 1000) },
          last_error: lastError?.reason ?? null,
        };
      }),
    );
  }

  /** Lets every drain send what it has queued; the log keeps the rest. */
  async close(signal: AbortSignal): Promise<void> {
    this.#isClosed = true;
    this.#unlisten();
    await this.#reconciling;
    const running = [...this.#running.values()];
    await Promise.all(running.map(({ managed }) => managed.close(signal)));
    for (const { detach } of running) detach();
    this.#running.clear();
    this.#checkpoints.close();
  }

  async #settle(id: DrainId): Promise<void> {
    await this.#reconciling;
    await this.#running.get(id)?.managed.idle;
  }

  #reconcileSoon(): void {
    this.#isStale = true;
    this.#reconciling ??= this.#reconcileAll().finally(() => (this.#reconciling = undefined));
  }

  async #reconcileAll(): Promise<void> {
    while (this.#isStale && !this.#isClosed) {
      this.#isStale = false;
      try {
        await this.#reconcile();
      } catch (error) {
        this.#parts.logger.error({ err: error }, 'drains.reconcile_failed');
        this.#isStale = true;
        await this.#parts.clock.sleep(this.#options.retryMs);
      }
    }
  }

  async #reconcile(): Promise<void> {
    const rows = new Map((await this.#parts.registry.listDrains()).map((row) => [row.id, row]));
    for (const [id, { managed, detach }] of this.#running) {
      if (rows.has(id)) continue;
      this.#running.delete(id);
      detach();
      await managed.remove();
    }
    const added = [...rows.values()].filter((row) => !this.#running.has(row.id));
    if (added.length > 0) {
      const read = await this.#checkpoints.reader();
      for (const row of added) await this.#add(row, read);
    }
    for (const row of rows.values()) this.#running.get(row.id)?.managed.follow(row);
  }

  async #add(row: DrainRow, read: CheckpointReader): Promise<void> {
    const { kept, replay } = await read(row);
    const save: RunningDrainParts['save'] = (changed) => this.#checkpoints.save(row, changed);
    const drain = new RunningDrain(this.#options, { ...this.#parts, save }, row, kept);
    const managed = new ManagedDrain(
      this.#options,
      {
        ...this.#parts,
        drain,
        saveReplay: (run) => this.#checkpoints.saveReplay(row, run),
      },
      replay,
    );
    this.#running.set(row.id, { managed, detach: this.#parts.attach(row.app, managed) });
  }

  #replays(): number {
    let count = 0;
    for (const { managed } of this.#running.values()) {
      if (managed.replay && !managed.replay.isOver) count++;
    }
    return count;
  }

  /** Lines must not wait for the books of a thousand drains. */
  async *#audits(): AsyncIterable<{ drain: RunningDrain; audit: Audit }> {
    for (const [i, { managed }] of [...this.#running.values()].entries()) {
      if (i % auditsPerTurn === auditsPerTurn - 1) {
        await new Promise((resolve) => setImmediate(resolve));
      }
      const { drain } = managed;
      yield { drain, audit: await auditOf(drain, this.#parts) };
    }
  }

  async #totals(): Promise<DrainTotals> {
    const totals = { backlogMessages: 0, imbalanceMessages: 0, queuedBytes: 0 };
    const workers: Record<string, number> = {};
    for await (const { drain, audit } of this.#audits()) {
      totals.backlogMessages += audit.backlogMessages;
      totals.imbalanceMessages += audit.imbalanceMessages;
      totals.queuedBytes += drain.queuedBytes;
      const { state } = drain.condition;
      workers[state] = (workers[state] ?? 0) + 1;
    }
    return { ...totals, workers, replays: this.#replays() };
  }
}

import type { LogBus, Subscription } from '../bus/bus.ts';
import type { Sink } from '../bus/sink.ts';
import type { Clock } from '../core/clock.ts';
import type { AppId, DrainId } from '../core/ids.ts';
import type { Logger } from '../core/logger.ts';
import { parsePosition } from '../core/position.ts';
import type { Service } from '../core/service.ts';
import type { DrainRow, RegistryChange } from '../registry/registry.ts';
import { auditBooks } from './drain-audit.ts';
import {
  decodeBooks,
  encodeBooks,
  newBooks,
  reachedBy,
  type Books,
  type Outcome,
} from './drain-books.ts';
import type { DrainMetrics, DrainTotals } from './drain-metrics.ts';
import type { DrainCondition, DrainWorker } from './drain-worker.ts';

/** Who knows which drains there are. */
export interface DrainDirectory {
  listDrains(): Promise<readonly DrainRow[]>;
  onChange(listener: (change: RegistryChange) => void): () => void;
}

export interface DrainManagerOptions {
  /** How soon a reading of the registry that failed is tried again. */
  readonly retryMs: number;
}

export interface DrainManagerParts {
  readonly bus: LogBus;
  readonly registry: DrainDirectory;
  readonly attach: (app: AppId, sink: Sink) => () => void;
  readonly makeWorker: (
    row: DrainRow,
    books: Books,
    checkpoint: (books: Books | null) => Promise<void>,
  ) => DrainWorker;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: DrainMetrics;
}

/** What the owner of a drain may know of it. */
export interface DrainHealth extends DrainCondition {
  /** Lines by the end that they came to, since the drain was added. */
  readonly messages: Readonly<Record<Outcome, number>>;
  readonly imbalanceMessages: number;
  readonly backlog: { readonly messages: number; readonly bytes: number; readonly ageMs: number };
}

interface Running {
  readonly worker: DrainWorker;
  readonly detach: () => void;
}

function reachedEntry(app: AppId, books: Books): readonly unknown[] {
  const { position, seq } = reachedBy(books);
  return [position.logId, app, position.offset, seq];
}

const keyPrefix = 'drain:';
/** Drains whose books are checked in one turn of the event loop. */
const auditsPerTurn = 16;

/** Keeps one worker for each drain of the registry, from its addition to its removal. */
export class DrainManager implements Service {
  readonly #options: DrainManagerOptions;
  readonly #parts: DrainManagerParts;
  readonly #running = new Map<DrainId, Running>();
  readonly #epochs = new Map<number, number>();
  #subscription: Subscription | undefined;
  #unlisten: () => void = () => undefined;
  #reconciling: Promise<void> | undefined;
  #isStale = false;
  #isClosed = false;

  constructor(options: DrainManagerOptions, parts: DrainManagerParts) {
    this.#options = options;
    this.#parts = parts;
  }

  async start(): Promise<void> {
    const { bus, registry, metrics } = this.#parts;
    this.#subscription = bus.subscribe({
      assigned: (partition, epoch) => void this.#epochs.set(partition, epoch),
      revoked: (partition) => void this.#epochs.delete(partition),
      records: () => undefined,
    });
    this.#unlisten = registry.onChange((change) => {
      if (change.kind === 'drain' || change.kind === 'app') this.#reconcileSoon();
    });
    await this.#reconcile();
    metrics.watch(() => this.#totals());
  }

  problem(): string | undefined {
    return undefined;
  }

  /** How a drain does; undefined while it has no worker. */
  async healthOf(id: DrainId): Promise<DrainHealth | undefined> {
    const worker = this.#running.get(id)?.worker;
    if (!worker) return undefined;
    const { bus, clock } = this.#parts;
    const { books, condition } = worker;
    const audit = await auditBooks(bus, worker.app, books);
    const weight = await bus.weigh(worker.app, books.cursor.position);
    const { sinceMs } = weight;
    const hasBacklog = audit.backlogMessages > 0;
    return {
      ...condition,
      messages: books.counts,
      imbalanceMessages: audit.imbalanceMessages,
      backlog: {
        messages: audit.backlogMessages,
        bytes: hasBacklog ? weight.bytes : 0,
        ageMs: hasBacklog && sinceMs !== undefined ? Math.max(0, clock.nowMs() - sinceMs) : 0,
      },
    };
  }

  /** Lets every drain send what it has queued; the log keeps the rest. */
  async close(signal: AbortSignal): Promise<void> {
    this.#isClosed = true;
    this.#unlisten();
    await this.#reconciling;
    const running = [...this.#running.values()];
    await Promise.all(running.map(({ worker }) => worker.close(signal)));
    for (const { detach } of running) detach();
    this.#running.clear();
    this.#subscription?.close();
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
    for (const [id, { worker, detach }] of this.#running) {
      if (rows.has(id)) continue;
      this.#running.delete(id);
      detach();
      await worker.remove();
    }
    const added = [...rows.values()].filter((row) => !this.#running.has(row.id));
    if (added.length > 0) await this.#startWorkers(added);
  }

  async #startWorkers(rows: readonly DrainRow[]): Promise<void> {
    const { bus, attach } = this.#parts;
    const checkpoints = new Map<number, Awaited<ReturnType<typeof bus.checkpoints.load>>>();
    for (const row of rows) {
      const partition = bus.partitionOf(row.app);
      if (!checkpoints.has(partition)) {
        checkpoints.set(partition, await bus.checkpoints.load(partition));
      }
      const entry = checkpoints.get(partition)?.get(keyPrefix + row.id);
      const known = (entry && decodeBooks(entry)) ?? this.#firstBooks(row);
      const uncounted = checkpoints.get(partition)?.get(`uncounted:${row.app}`)?.['seq'];
      const books =
        typeof uncounted === 'number' && known.cursor.seq < uncounted
          ? { ...known, uncountedTo: uncounted }
          : known;
      const worker = this.#parts.makeWorker(row, books, (changed) => this.#save(row, changed));
      this.#running.set(row.id, { worker, detach: attach(row.app, worker) });
      worker.start();
    }
  }

  /** A drain without a checkpoint starts where the log stood when it was added. */
  #firstBooks(row: DrainRow): Books {
    const { bus } = this.#parts;
    const start = parsePosition(row.start.position);
    const partition = bus.partitionOf(row.app);
    const position = start ?? { logId: bus.logId, partition, offset: 0, line: 0 };
    return newBooks({ position, seq: start ? row.start.appSeq : 0 }, row.createdAtMs);
  }

  #save(row: DrainRow, books: Books | null): Promise<void> {
    const { bus } = this.#parts;
    const partition = bus.partitionOf(row.app);
    const entry = books && { ...encodeBooks(books), reached: reachedEntry(row.app, books) };
    const entries = new Map([[keyPrefix + row.id, entry]]);
    return bus.checkpoints.append(partition, this.#epochs.get(partition) ?? 0, entries);
  }

  async #totals(): Promise<DrainTotals> {
    const totals = { backlogMessages: 0, imbalanceMessages: 0, queuedBytes: 0 };
    const workers: Record<string, number> = {};
    for (const [i, { worker }] of [...this.#running.values()].entries()) {
      // Lines must not wait for the books of a thousand drains.
      if (i % auditsPerTurn === auditsPerTurn - 1)
        await new Promise((resolve) => setImmediate(resolve));
      const audit = await auditBooks(this.#parts.bus, worker.app, worker.books);
      totals.backlogMessages += audit.backlogMessages;
      totals.imbalanceMessages += audit.imbalanceMessages;
      totals.queuedBytes += worker.queuedBytes;
      const { state } = worker.condition;
      workers[state] = (workers[state] ?? 0) + 1;
    }
    return { ...totals, workers };
  }
}

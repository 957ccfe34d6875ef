import type { Chance } from '../../core/chance.ts';
import type { Clock } from '../../core/clock.ts';
import { AppError } from '../../core/errors.ts';
import type { AppId } from '../../core/ids.ts';
import type { Logger } from '../../core/logger.ts';
import { partitionOf } from '../../core/partition.ts';
import type { Position } from '../../core/position.ts';
import type { LogRecord } from '../../core/record.ts';
import type { Bound, CheckpointStore, Entry, LogBus, Page } from '../bus.ts';
import type { StoredRecord, Subscription, SubscriptionHandlers, Weight } from '../bus.ts';
import { Subscribers } from '../subscribers.ts';
import type { AppHeads } from './app-heads.ts';
import type { BusMetrics } from './bus-metrics.ts';
import { CheckpointJournal, damagedKey } from './checkpoint-journal.ts';
import { isNoSpace } from './disk-errors.ts';
import { IndexCache } from './index-cache.ts';
import { logDirectory, openLogIdentity, type LogIdentity } from './log-identity.ts';
import { LogRetention, type LogRetentionOptions } from './log-retention.ts';
import { PartitionLog } from './partition-log.ts';
import { endKey, headEntries, headsKey, recoverPartition } from './partition-recovery.ts';
import { ReadScheduler } from './read-scheduler.ts';
import type { Segment } from './segment.ts';
import { SegmentReader } from './segment-reader.ts';
import type { Storage } from './storage.ts';

export interface EmbeddedLogOptions extends LogRetentionOptions {
  /** Partitions of a new log; an existing log must have as many. */
  readonly partitions: number;
  readonly segmentBytes: number;
  readonly appendQueueBytesMax: number;
  readonly commitBytesMax: number;
  readonly readsMax: number;
  readonly indexCacheBytesMax: number;
  /** Below this much free space no more lines are taken, so that checkpoints still can be written. */
  readonly freeBytesMin: number;
  readonly checkpointSyncMs: number;
  readonly checkpointCompactBytesMin: number;
}

export interface EmbeddedLogParts {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly logger: Logger;
  readonly metrics: BusMetrics;
  /** The disk failed in a way after which the process must end (exit code 74, EX_IOERR). */
  readonly onFatal: (error: unknown) => void;
}

const spaceCheckMs = 1000;
const retentionCheckMs = 60_000;
const lifeKey = 'life';
/** So many corrupt places are told apart; more of them are counted each time they are met. */
const corruptPlacesMax = 100_000;

/** The default engine: the log of one process in segment files below one directory. */
export class EmbeddedLog implements LogBus {
  readonly logId: string;
  readonly partitions: number;
  readonly checkpoints: CheckpointStore;
  readonly #options: EmbeddedLogOptions;
  readonly #parts: EmbeddedLogParts;
  readonly #journal: CheckpointJournal;
  readonly #scheduler: ReadScheduler;
  readonly #indexes: IndexCache;
  readonly #logs: PartitionLog[] = [];
  readonly #readers: SegmentReader[] = [];
  readonly #subscribers: Subscribers;
  readonly #epoch: number;
  readonly #timers: (() => void)[] = [];
  readonly #corruptPlaces = new Set<string>();
  readonly #retention: LogRetention;
  #failure: unknown;

  private constructor(
    options: EmbeddedLogOptions,
    parts: EmbeddedLogParts,
    opened: { logId: string; journal: CheckpointJournal; epoch: number },
  ) {
    this.#options = options;
    this.#parts = parts;
    this.logId = opened.logId;
    this.partitions = options.partitions;
    this.#journal = opened.journal;
    this.checkpoints = opened.journal;
    this.#scheduler = new ReadScheduler(options, parts);
    this.#indexes = new IndexCache(
      { bytesMax: options.indexCacheBytesMax },
      { ...parts, scheduler: this.#scheduler, onCorrupt: this.#corrupt },
    );
    this.#epoch = opened.epoch;
    this.#subscribers = new Subscribers(options.partitions, opened.epoch);
    this.#retention = new LogRetention(options, {
      ...parts,
      indexes: this.#indexes,
      checkpoints: this.checkpoints,
      logs: this.#logs,
      failed: (error) => this.#fail(error),
    });
  }

  /**
   * Opens or makes the log.
   * @throws AppError CONFIG_INVALID when the log has another number of partitions, FORMAT_TOO_NEW; Node's own
   *   error when the disk refuses. Then nothing is held any more, and it may be tried again.
   */
  static async open(options: EmbeddedLogOptions, parts: EmbeddedLogParts): Promise<EmbeddedLog> {
    const { storage, clock, logger } = parts;
    const identity = await openLogIdentity(options.partitions, parts);
    // Before it is open, whoever opens it learns of failures.
    let opened: EmbeddedLog | undefined = undefined;
    const journal = await CheckpointJournal.open(
      {
        directory: 'checkpoints',
        compactBytesMin: options.checkpointCompactBytesMin,
        syncEveryMs: options.checkpointSyncMs,
      },
      { storage, clock, logger, failed: (error) => opened?.checkpointFailed(error) },
    );
    let log: EmbeddedLog | undefined = undefined;
    try {
      const life = (await journal.load(0)).get(lifeKey);
      const epoch = Number(life?.['epoch'] ?? 0) + 1;
      log = new EmbeddedLog(options, parts, { ...identity, journal, epoch });
      await journal.append(0, epoch, new Map([[lifeKey, { epoch, closed: false }]]));
      await log.#recover(identity, life?.['closed'] === true);
      await journal.sync();
      await log.#checkSpace();
      parts.metrics.watch(() => opened?.bytes ?? 0);
      log.#startTimers();
      opened = log;
      return log;
    } catch (error) {
      if (log) await log.#abandon();
      await journal.abandon();
      throw error;
    }
  }

  partitionOf(app: AppId): number {
    return partitionOf(app, this.partitions);
  }

  append(records: readonly LogRecord[]): Promise<void> {
    const first = records[0];
    return first ? this.#log(this.partitionOf(first.app)).append(records) : Promise.resolve();
  }

  subscribe(handlers: SubscriptionHandlers): Subscription {
    return this.#subscribers.add(handlers);
  }

  read(from: Position, maxBytes: number, app?: AppId): Promise<Page> {
    const reader = this.#reader(app === undefined ? from.partition : this.partitionOf(app));
    return app === undefined ? reader.readAll(from, maxBytes) : reader.readApp(from, maxBytes, app);
  }

  async seek(app: AppId, to: { linesBack: number } | { since: number }): Promise<Position> {
    const reader = this.#reader(this.partitionOf(app));
    if ('since' in to) return reader.positionOfTime(app, to.since);
    const { appSeq } = reader.head(app);
    return reader.positionOfSeq(app, Math.max(0, appSeq - to.linesBack));
  }

  async count(app: AppId, from: Position, to: Position): Promise<number> {
    const reader = this.#reader(this.partitionOf(app));
    const start = await reader.boundAt(app, from);
    const end = await reader.boundAt(app, to);
    return Math.max(0, end.appSeq - start.appSeq);
  }

  weigh(app: AppId, from: Position): Promise<Weight> {
    return this.#reader(this.partitionOf(app)).weigh(app, from);
  }

  async bounds(partition: number, app?: AppId): Promise<{ oldest: Bound; head: Bound }> {
    const reader = this.#reader(partition);
    const head = reader.head(app);
    const position = reader.oldest;
    if (app === undefined) return { oldest: { position, appSeq: 0, previous: null }, head };
    return { oldest: await reader.boundAt(app, position), head };
  }

  /**
   * A position before everything received since `sinceMs` (ms since 1970), as far as the newest segments of
   * `bytesMax` bytes hold it: for what rebuilds itself from the end of the log without reading all of it.
   */
  startOfRecent(partition: number, sinceMs: number, bytesMax: number): Position {
    const { segments } = this.#log(partition);
    let start = segments.at(-1);
    let bytes = start?.bytes ?? 0;
    for (const segment of segments.slice(0, -1).reverse()) {
      bytes += segment.bytes;
      if (segment.maxTimeMs < sinceMs || bytes > bytesMax) break;
      start = segment;
    }
    return { logId: this.logId, partition, offset: start?.base ?? 0, line: 0 };
  }

  problem(): string | undefined {
    if (this.#failure !== undefined) return 'the disk failed';
    return this.#logs.some((log) => log.full) ? 'no space left for the log' : undefined;
  }

  /** Bytes of the log on disk, all partitions. */
  get bytes(): number {
    return this.#logs.reduce((sum, log) => sum + log.bytes, 0);
  }

  async close(): Promise<void> {
    for (const stop of this.#timers) stop();
    this.#subscribers.close();
    for (const log of this.#logs) await log.whenWritten();
    // The last seal may have asked for it.
    await this.#retention.whenIdle();
    for (const log of this.#logs) await log.close();
    try {
      if (this.#failure === undefined) await this.#noteEnd();
      await this.#journal.close();
    } catch (error) {
      await this.#journal.abandon();
      // The next start then takes the end for a crash, which costs it a copy and nobody a line.
      if (!isNoSpace(error)) throw error;
      this.#parts.logger.warn({ err: error }, 'log.close_not_noted');
    }
  }

  async #noteEnd(): Promise<void> {
    for (const log of this.#logs) {
      await this.#journal.append(log.partition, this.#epoch, new Map([[endKey, endOf(log)]]));
    }
    // What `closed` vouches for is durable before it is written.
    await this.#journal.sync();
    const life = { epoch: this.#epoch, closed: true };
    await this.#journal.append(0, this.#epoch, new Map([[lifeKey, life]]));
  }

  /** Gives up what an opening that failed has opened; the journal is the caller's. */
  async #abandon(): Promise<void> {
    for (const log of this.#logs) await log.close();
  }

  /** Drops what retention no longer keeps. */
  retain(by: { readonly age: boolean }): Promise<void> {
    return this.#retention.run(by);
  }

  checkpointFailed(error: unknown): void {
    if (isNoSpace(error)) for (const log of this.#logs) log.full = true;
    else this.#fail(error);
  }

  /** Each place counts once, however often it is met. */
  readonly #corrupt = (path: string, fileAt: number): void => {
    const place = `${path} ${fileAt}`;
    if (this.#corruptPlaces.has(place)) return;
    if (this.#corruptPlaces.size < corruptPlacesMax) this.#corruptPlaces.add(place);
    this.#parts.metrics.corrupt();
    this.#parts.logger.error({ path, fileAt }, 'log.record_unreadable');
  };

  async #recover(identity: LogIdentity, wasClosed: boolean): Promise<void> {
    const { storage, logger, clock, metrics } = this.#parts;
    const isCheckpointDamaged = (await this.#journal.load(0)).has(damagedKey);
    for (let partition = 0; partition < this.partitions; partition++) {
      const place = { ...identity, partition, directory: directoryOf(partition) };
      const recovered = await recoverPartition(
        { ...place, wasClosed, isCheckpointDamaged },
        {
          storage,
          logger,
          onCorrupt: this.#corrupt,
          indexes: this.#indexes,
          checkpoint: await this.#journal.load(partition),
          keep: async (entries) => {
            await this.#journal.append(partition, this.#epoch, entries);
            await this.#journal.sync();
          },
        },
      );
      const log = new PartitionLog(
        { ...this.#options, ...place },
        {
          storage,
          clock,
          logger,
          indexes: this.#indexes,
          publish: (records: readonly StoredRecord[]) =>
            this.#subscribers.publish(partition, records),
          sealed: (segment, heads) => this.#sealed(partition, segment, heads),
          committed: (facts) => metrics.committed(facts),
          failed: (error) => this.#fail(error),
        },
        recovered,
      );
      this.#logs.push(log);
      this.#readers.push(
        new SegmentReader({
          source: log,
          indexes: this.#indexes,
          scheduler: this.#scheduler,
          onCorrupt: this.#corrupt,
        }),
      );
    }
    // What was missing has been made again from the segments, and is durable.
    if (isCheckpointDamaged) {
      await this.#journal.append(0, this.#epoch, new Map([[damagedKey, null]]));
    }
  }

  #startTimers(): void {
    const { clock } = this.#parts;
    const failed = (error: unknown): void =>
      this.#parts.logger.error({ err: error }, 'log.upkeep_failed');
    this.#timers.push(
      clock.every(spaceCheckMs, () => void this.#checkSpace().catch(failed)),
      clock.every(retentionCheckMs, () => void this.retain({ age: true }).catch(failed)),
    );
  }

  /** The end of a full disk as well as its beginning is noticed here. */
  async #checkSpace(): Promise<void> {
    const isFull = (await this.#parts.storage.freeBytes()) < this.#options.freeBytesMin;
    const wasFull = this.#logs.some((log) => log.full);
    for (const log of this.#logs) log.full = isFull;
    if (isFull !== wasFull) {
      this.#parts.logger.warn(
        { freeBytesMin: this.#options.freeBytesMin },
        isFull ? 'log.full' : 'log.has_space',
      );
    }
    if (isFull && !wasFull) await this.retain({ age: false });
  }

  #sealed(partition: number, segment: Segment, heads: AppHeads): void {
    const entries = segment.active ? headEntries(heads, segment.active) : new Map<string, Entry>();
    entries.set(headsKey, { through: segment.base + 1 });
    void this.checkpoints.append(partition, this.#epoch, entries).catch(() => undefined);
    this.retain({ age: false }).catch((error: unknown) =>
      this.#parts.logger.error({ err: error }, 'log.upkeep_failed'),
    );
  }

  #fail(error: unknown): void {
    this.#failure ??= error;
    this.#parts.onFatal(error);
  }

  #log(partition: number): PartitionLog {
    const log = this.#logs[partition];
    if (!log) throw new AppError('INVARIANT', `no partition ${partition}`);
    return log;
  }

  #reader(partition: number): SegmentReader {
    const reader = this.#readers[partition];
    if (!reader) throw new AppError('INVARIANT', `no partition ${partition}`);
    return reader;
  }
}

function directoryOf(partition: number): string {
  return `${logDirectory}/${partition}`;
}

/** What an orderly close knows of the end of a partition. */
function endOf(log: PartitionLog): Entry {
  const heads = [...(log.segments.at(-1)?.active?.apps() ?? [])].map((app) => {
    const { seq, previous } = log.heads.peek(app);
    return [app, seq, previous?.offset ?? -1];
  });
  return { next: log.headOffset, heads };
}

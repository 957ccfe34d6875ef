import type { Chance } from '../../core/chance.ts';
import type { Clock } from '../../core/clock.ts';
import { AppError } from '../../core/errors.ts';
import type { AppId } from '../../core/ids.ts';
import type { Logger } from '../../core/logger.ts';
import { partitionOf } from '../../core/partition.ts';
import type { Position } from '../../core/position.ts';
import type { LogRecord } from '../../core/record.ts';
import type { Bound, CheckpointStore, LogBus, Page } from '../bus.ts';
import type { StoredRecord, Subscription, SubscriptionHandlers, Weight } from '../bus.ts';
import { Subscribers } from '../subscribers.ts';
import type { AppHeads } from './app-heads.ts';
import type { BusMetrics } from './bus-metrics.ts';
import { CheckpointJournal } from './checkpoint-journal.ts';
import { CorruptPlaces } from './corrupt-places.ts';
import { isNoSpace, isPassing } from './disk-errors.ts';
import type { DiskSpaceOptions } from './disk-space.ts';
import { IndexCache } from './index-cache.ts';
import { openLogIdentity, type LogIdentity } from './log-identity.ts';
import { LogLife } from './log-life.ts';
import type { LogRetentionOptions } from './log-retention.ts';
import { LogUpkeep } from './log-upkeep.ts';
import { openPartition } from './partition.ts';
import { headEntries } from './partition-checkpoint.ts';
import type { PartitionLog } from './partition-log.ts';
import { ReadScheduler } from './read-scheduler.ts';
import type { Segment } from './segment.ts';
import type { SegmentReader } from './segment-reader.ts';
import type { Storage } from './storage.ts';

export interface EmbeddedLogOptions extends LogRetentionOptions, DiskSpaceOptions {
  /** Partitions of a new log; an existing log must have as many. */
  readonly partitions: number;
  readonly appendQueueBytesMax: number;
  readonly commitBytesMax: number;
  readonly readsMax: number;
  /** Blocks of the log that were read last and are kept. */
  readonly blockCacheBytesMax: number;
  readonly indexCacheBytesMax: number;
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
  readonly #life: LogLife;
  readonly #corruptPlaces: CorruptPlaces;
  readonly #upkeep: LogUpkeep;
  #failure: unknown;

  private constructor(
    options: EmbeddedLogOptions,
    parts: EmbeddedLogParts,
    opened: { logId: string; journal: CheckpointJournal; life: LogLife },
  ) {
    this.#options = options;
    this.#parts = parts;
    this.logId = opened.logId;
    this.partitions = options.partitions;
    this.#journal = opened.journal;
    this.checkpoints = opened.journal;
    this.#corruptPlaces = new CorruptPlaces(parts);
    this.#scheduler = new ReadScheduler(options);
    this.#indexes = new IndexCache(
      { bytesMax: options.indexCacheBytesMax },
      { ...parts, scheduler: this.#scheduler, onCorrupt: this.#corrupt },
    );
    this.#life = opened.life;
    this.#subscribers = new Subscribers(options.partitions, opened.life.epoch);
    this.#upkeep = new LogUpkeep(options, {
      ...parts,
      indexes: this.#indexes,
      checkpoints: this.checkpoints,
      logs: this.#logs,
      failed: (error) => this.#fail(error),
    });
  }

  /**
   * Opens or makes the log.
   * @throws AppError CONFIG_INVALID when the log has another number of partitions, FORMAT_TOO_NEW, BUS_CORRUPT when
   *   files of two logs lie in one directory; Node's own error when the disk refuses. Then nothing is held any more,
   *   and it may be tried again.
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
      const life = await LogLife.begin(journal);
      log = new EmbeddedLog(options, parts, { ...identity, journal, life });
      await log.#recover(identity);
      await journal.sync();
      await log.#upkeep.fitSegments();
      await log.#upkeep.space.check();
      parts.metrics.watch(() => opened?.bytes ?? 0);
      log.#upkeep.start();
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
    if (app !== undefined) return { oldest: await reader.oldestBound(app), head };
    return { oldest: { position: reader.oldest, appSeq: 0, previous: null }, head };
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
    return this.#upkeep.space.isFull ? 'no space left for the log' : undefined;
  }

  /** Bytes of the log on disk, all partitions. */
  get bytes(): number {
    return this.#logs.reduce((sum, log) => sum + log.bytes, 0);
  }

  async close(): Promise<void> {
    this.#upkeep.stop();
    this.#subscribers.close();
    for (const log of this.#logs) await log.whenWritten();
    // The last seal may have asked for it.
    await this.#upkeep.whenIdle();
    for (const log of this.#logs) await log.close();
    try {
      if (this.#failure === undefined) await this.#life.end(this.#logs);
      await this.#journal.close();
    } catch (error) {
      await this.#journal.abandon();
      // The next start then takes the end for a crash, which costs it a copy and nobody a line.
      if (!isPassing(error)) throw error;
      this.#parts.logger.warn({ err: error }, 'log.close_not_noted');
    }
  }

  /** Gives up what an opening that failed has opened; the journal is the caller's. */
  async #abandon(): Promise<void> {
    for (const log of this.#logs) await log.close();
  }

  /** Drops what retention no longer keeps. */
  retain(by: { readonly age: boolean }): Promise<void> {
    return this.#upkeep.retain(by);
  }

  checkpointFailed(error: unknown): void {
    if (isNoSpace(error)) this.#upkeep.space.ranOut();
    else if (!isPassing(error)) this.#fail(error);
  }

  async #recover(identity: LogIdentity): Promise<void> {
    const { wasClosed, isCheckpointDamaged } = this.#life;
    for (let partition = 0; partition < this.partitions; partition++) {
      const { log, reader } = await openPartition(
        { ...this.#options, ...identity, partition, wasClosed, isCheckpointDamaged },
        {
          ...this.#parts,
          indexes: this.#indexes,
          scheduler: this.#scheduler,
          onCorrupt: this.#corrupt,
          checkpoint: await this.#journal.load(partition),
          keep: (entries) => this.#life.keep(partition, entries),
          publish: (records: readonly StoredRecord[]) =>
            this.#subscribers.publish(partition, records),
          sealed: (segment, heads) => this.#sealed(partition, segment, heads),
          committed: (facts) => this.#parts.metrics.committed(facts),
          failed: (error) => this.#fail(error),
        },
      );
      this.#logs.push(log);
      this.#readers.push(reader);
    }
    // What was missing has been made again from the segments, and is durable.
    if (isCheckpointDamaged) await this.#life.healed();
  }

  #sealed(partition: number, segment: Segment, heads: AppHeads): void {
    const entries = headEntries(heads, segment.active?.apps() ?? [], segment.base + 1);
    void this.#life.append(partition, entries).catch(() => undefined);
    this.#upkeep.sealed();
  }

  readonly #corrupt = (path: string, fileAt: number): void => this.#corruptPlaces.add(path, fileAt);

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

import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import type { CheckpointStore } from '../bus.ts';
import { isDeviceFailure } from './disk-errors.ts';
import type { IndexCache } from './index-cache.ts';
import type { PartitionLog } from './partition-log.ts';
import { bytesAllowed, segmentBytesWithin, segmentsToDrop } from './retention.ts';
import { indexPath, type Segment } from './segment.ts';
import type { Storage } from './storage.ts';

export interface LogRetentionOptions {
  /** A segment is sealed once it is this long; see also {@link LogRetention.fitSegments}. */
  readonly segmentBytes: number;
  /** Of all partitions together. */
  readonly retentionBytesMax: number;
  /** Keep less than that on a small disk: half of the sum of the free space and the log's own bytes. */
  readonly retentionFitsDisk: boolean;
  readonly retentionAgeMsMax: number;
}

export interface LogRetentionParts {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly indexes: IndexCache;
  readonly checkpoints: Pick<CheckpointStore, 'sync'>;
  readonly logs: readonly PartitionLog[];
  /** The disk failed in a way after which nothing on it can be trusted (EIO). */
  readonly failed: (error: unknown) => void;
}

/**
 * Takes whole segments off the old end of each partition.
 *
 * Files go in one order, whatever fails on the way: the heads of a segment's apps are durable before it goes,
 * because afterwards nothing else has their numbers; it is durably gone before the next one is touched, or a power
 * cut could bring it back without its successor; its index goes when it cannot come back, because only there stands
 * what its apps had before it.
 */
export class LogRetention {
  readonly #options: LogRetentionOptions;
  readonly #parts: LogRetentionParts;
  /** Readers do not see it any more; its files may be there still. One of each partition at most. */
  readonly #leaving = new Map<PartitionLog, Segment>();
  #running: Promise<void> = Promise.resolve();

  constructor(options: LogRetentionOptions, parts: LogRetentionParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Drops what is no longer kept: for its age once a minute, for its bytes also at every seal. */
  run(by: { readonly age: boolean }): Promise<void> {
    // One after the other: two that count the same segments would both drop them.
    const run = this.#running.then(() => this.#run(by));
    this.#running = run.catch(() => undefined);
    return run;
  }

  /**
   * Makes segments so small that what is kept can be some of them, where that depends on the disk.
   * @returns the bytes that each partition may have.
   */
  async fitSegments(): Promise<number> {
    const { storage, logs } = this.#parts;
    const { segmentBytes, retentionBytesMax, retentionFitsDisk } = this.#options;
    const freeBytes = retentionFitsDisk ? await storage.freeBytes() : Infinity;
    const ownBytes = logs.reduce((sum, log) => sum + log.bytes, 0);
    const bytesMax = bytesAllowed(retentionBytesMax, freeBytes, ownBytes) / logs.length;
    if (retentionFitsDisk) {
      for (const log of logs) log.segmentBytes = segmentBytesWithin(segmentBytes, bytesMax);
    }
    return bytesMax;
  }

  /** Resolves when nothing is being dropped. */
  async whenIdle(): Promise<void> {
    await this.#running;
  }

  async #run(by: { readonly age: boolean }): Promise<void> {
    const { clock, logs, failed } = this.#parts;
    try {
      // What an earlier run left behind is not asked about again.
      for (const log of logs) await this.#removeLeaving(log);
      const options = {
        ageMsMax: by.age ? this.#options.retentionAgeMsMax : Infinity,
        bytesMax: await this.fitSegments(),
      };
      for (const log of logs) {
        const sealed = log.segments.slice(0, -1);
        const activeBytes = log.segments.at(-1)?.bytes ?? 0;
        const count = segmentsToDrop(sealed, activeBytes, clock.nowMs(), options);
        for (let i = 0; i < count; i++) await this.#dropOldest(log);
      }
    } catch (error) {
      if (isDeviceFailure(error)) failed(error);
      throw error;
    }
  }

  async #dropOldest(log: PartitionLog): Promise<void> {
    await this.#parts.checkpoints.sync();
    const segment = log.dropOldest();
    if (!segment) return;
    this.#leaving.set(log, segment);
    this.#parts.indexes.forget(segment);
    await segment.retire();
    await this.#removeLeaving(log);
  }

  async #removeLeaving(log: PartitionLog): Promise<void> {
    const { storage, logger } = this.#parts;
    const segment = this.#leaving.get(log);
    if (!segment) return;
    await unlinkIfThere(storage, segment.path);
    await storage.syncDirectory(log.directory);
    this.#leaving.delete(log);
    log.roomBytes += segment.bytes;
    await this.#removeIndex(segment);
    logger.info({ path: segment.path, bytes: segment.bytes }, 'log.segment_dropped');
  }

  async #removeIndex(segment: Segment): Promise<void> {
    try {
      await this.#parts.storage.unlink(indexPath(segment.path));
    } catch (error) {
      // Else a start removes it: it has no segment.
      if (isDeviceFailure(error)) throw error;
    }
  }
}

/** It may have gone at an attempt whose next step failed. */
async function unlinkIfThere(storage: Storage, path: string): Promise<void> {
  try {
    await storage.unlink(path);
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ENOENT') throw error;
  }
}

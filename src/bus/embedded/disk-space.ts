import type { Logger } from '../../core/logger.ts';
import type { PartitionLog } from './partition-log.ts';
import type { Storage } from './storage.ts';

export interface DiskSpaceOptions {
  /** Below this much free space no more lines are taken, so that checkpoints still can be written. */
  readonly freeBytesMin: number;
}

export interface DiskSpaceParts {
  readonly storage: Pick<Storage, 'freeBytes'>;
  readonly logger: Logger;
  readonly logs: readonly PartitionLog[];
  /** Drops what retention no longer keeps. */
  readonly retain: () => Promise<void>;
}

/** Whether there is room for lines: found out now and then, and whenever a write finds none. */
export class DiskSpace {
  readonly #options: DiskSpaceOptions;
  readonly #parts: DiskSpaceParts;
  /** As of the last check. */
  #wasFull = false;

  constructor(options: DiskSpaceOptions, parts: DiskSpaceParts) {
    this.#options = options;
    this.#parts = parts;
  }

  get isFull(): boolean {
    return this.#parts.logs.some((log) => log.full);
  }

  /** The end of a full disk as well as its beginning is noticed here. */
  async check(): Promise<void> {
    const { storage, logger, logs, retain } = this.#parts;
    const { freeBytesMin } = this.#options;
    const before = logs.map((log) => log.roomBytes);
    const roomBytes = (await storage.freeBytes()) - freeBytesMin;
    const isFull = roomBytes < 0;
    const wasFull = this.#wasFull;
    this.#wasFull = isFull;
    this.#setFull(isFull);
    for (const [i, log] of logs.entries()) {
      // What was written meanwhile need not be in it.
      log.roomBytes += roomBytes / logs.length - (before[i] ?? 0);
    }
    if (isFull !== wasFull) logger.warn({ freeBytesMin }, isFull ? 'log.full' : 'log.has_space');
    if (!isFull || wasFull) return;
    // Retention never takes the segment that is written, and no line comes that would end it.
    for (const log of logs) await log.sealWhenDue();
    await retain();
  }

  /** No lines are taken before a check finds room again. */
  ranOut(): void {
    this.#setFull(true);
  }

  #setFull(isFull: boolean): void {
    for (const log of this.#parts.logs) log.full = isFull;
  }
}

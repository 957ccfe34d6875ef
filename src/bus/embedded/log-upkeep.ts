import { DiskSpace, type DiskSpaceOptions } from './disk-space.ts';
import { LogRetention, type LogRetentionOptions, type LogRetentionParts } from './log-retention.ts';

const spaceCheckMs = 1000;
const retentionCheckMs = 60_000;

/** What is done for the log beside writing and reading: its old end goes, and the room on the disk is watched. */
export class LogUpkeep {
  readonly space: DiskSpace;
  readonly #retention: LogRetention;
  readonly #parts: LogRetentionParts;
  readonly #timers: (() => void)[] = [];

  constructor(options: LogRetentionOptions & DiskSpaceOptions, parts: LogRetentionParts) {
    this.#parts = parts;
    this.#retention = new LogRetention(options, parts);
    this.space = new DiskSpace(options, { ...parts, retain: () => this.retain({ age: false }) });
  }

  start(): void {
    const { clock } = this.#parts;
    this.#timers.push(
      clock.every(spaceCheckMs, () => void this.space.check().catch(this.#failed)),
      clock.every(retentionCheckMs, () => void this.retain({ age: true }).catch(this.#failed)),
    );
  }

  stop(): void {
    for (const stop of this.#timers) stop();
  }

  /** Resolves when nothing is being dropped. */
  whenIdle(): Promise<void> {
    return this.#retention.whenIdle();
  }

  async fitSegments(): Promise<void> {
    await this.#retention.fitSegments();
  }

  /** Drops what retention no longer keeps. */
  retain(by: { readonly age: boolean }): Promise<void> {
    return this.#retention.run(by);
  }

  /** A segment more: another one may have to go. */
  sealed(): void {
    this.retain({ age: false }).catch(this.#failed);
  }

  readonly #failed = (error: unknown): void =>
    this.#parts.logger.error({ err: error }, 'log.upkeep_failed');
}

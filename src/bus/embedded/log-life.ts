import type { Entry } from '../bus.ts';
import { damagedKey, type CheckpointJournal } from './checkpoint-journal.ts';
import { endEntries } from './partition-checkpoint.ts';
import type { PartitionLog } from './partition-log.ts';

const lifeKey = 'life';

/**
 * One life of the log, from an opening to its close or to a crash, and what is written into the checkpoints in its
 * name. Each has an epoch above those before.
 */
export class LogLife {
  readonly epoch: number;
  /** The life before ended in order, so that every byte of the log is known to be on disk. */
  readonly wasClosed: boolean;
  /** Checkpoints may have lost entries. */
  readonly isCheckpointDamaged: boolean;
  readonly #journal: CheckpointJournal;

  private constructor(
    journal: CheckpointJournal,
    found: Pick<LogLife, 'epoch' | 'wasClosed' | 'isCheckpointDamaged'>,
  ) {
    this.#journal = journal;
    this.epoch = found.epoch;
    this.wasClosed = found.wasClosed;
    this.isCheckpointDamaged = found.isCheckpointDamaged;
  }

  static async begin(journal: CheckpointJournal): Promise<LogLife> {
    const checkpoint = await journal.load(0);
    const last = checkpoint.get(lifeKey);
    const life = new LogLife(journal, {
      epoch: Number(last?.['epoch'] ?? 0) + 1,
      wasClosed: last?.['closed'] === true,
      isCheckpointDamaged: checkpoint.has(damagedKey),
    });
    await life.#note({ closed: false });
    return life;
  }

  /** Resolves when the entries are written, not yet durable. */
  append(partition: number, entries: ReadonlyMap<string, Entry>): Promise<void> {
    return this.#journal.append(partition, this.epoch, entries);
  }

  /** Resolves when the entries are durable. */
  async keep(partition: number, entries: ReadonlyMap<string, Entry>): Promise<void> {
    await this.append(partition, entries);
    await this.#journal.sync();
  }

  /** Nothing is missing in the checkpoints any more. */
  healed(): Promise<void> {
    return this.append(0, new Map([[damagedKey, null]]));
  }

  /** Notes an orderly close; the journal's own close makes it durable. */
  async end(logs: readonly PartitionLog[]): Promise<void> {
    for (const log of logs) await this.append(log.partition, endEntries(log));
    // What `closed` vouches for is durable before it is written.
    await this.#journal.sync();
    await this.#note({ closed: true });
  }

  #note({ closed }: { readonly closed: boolean }): Promise<void> {
    return this.append(0, new Map([[lifeKey, { epoch: this.epoch, closed }]]));
  }
}

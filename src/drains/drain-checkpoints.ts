import type { Entries, Entry, LogBus, Subscription } from '../bus/bus.ts';
import type { AppId } from '../core/ids.ts';
import { parsePosition } from '../core/position.ts';
import type { DrainRow } from '../registry/registry.ts';
import { decodeBooks, encodeBooks, newBooks, reachedBy, type Books } from './drain-books.ts';
import { readTold } from './events/drain-standing.ts';
import { decodeRun, encodeRun, type ReplayRun } from './replay/replay-run.ts';
import type { KeptDrain } from './running-drain.ts';

type CheckpointLog = Pick<LogBus, 'logId' | 'partitionOf' | 'subscribe' | 'checkpoints'>;

/** What drains have of themselves beside the log, read once for all of a partition and written one by one. */
export class DrainCheckpoints {
  readonly #bus: CheckpointLog;
  readonly #epochs = new Map<number, number>();
  #subscription: Subscription | undefined;

  constructor(parts: { bus: CheckpointLog }) {
    this.#bus = parts.bus;
  }

  start(): void {
    this.#subscription = this.#bus.subscribe({
      assigned: (partition, epoch) => void this.#epochs.set(partition, epoch),
      revoked: (partition) => void this.#epochs.delete(partition),
      records: () => undefined,
    });
  }

  /** Looks up what several drains have, each partition read once. */
  async reader(): Promise<CheckpointReader> {
    const known = new Map<number, Entries>();
    return async (row) => {
      const partition = this.#bus.partitionOf(row.app);
      const entries = known.get(partition) ?? (await this.#bus.checkpoints.load(partition));
      known.set(partition, entries);
      return { kept: this.#keptOf(row, entries), replay: replayOf(row, entries) };
    };
  }

  save(row: DrainRow, kept: KeptDrain | null): Promise<void> {
    const entry = kept && {
      ...encodeBooks(kept.books),
      reached: reachedEntry(row.app, kept.books),
      ...(kept.told.length > 0 ? { told: kept.told } : {}),
      ...(kept.resumes > 0 ? { resumes: kept.resumes } : {}),
    };
    return this.#append(row, drainKey(row), entry);
  }

  saveReplay(row: DrainRow, run: ReplayRun | null): Promise<void> {
    return this.#append(row, replayKey(row), run && encodeRun(run));
  }

  close(): void {
    this.#subscription?.close();
  }

  #append(row: DrainRow, key: string, entry: ReturnType<typeof encodeBooks> | null): Promise<void> {
    const partition = this.#bus.partitionOf(row.app);
    const epoch = this.#epochs.get(partition) ?? 0;
    return this.#bus.checkpoints.append(partition, epoch, new Map([[key, entry]]));
  }

  #keptOf(row: DrainRow, entries: Entries): KeptDrain {
    const found = entries.get(drainKey(row));
    const entry = found && isOf(row.app, found) ? found : undefined;
    const known = (entry && decodeBooks(entry)) ?? this.#firstBooks(row);
    const uncounted = entries.get(`uncounted:${row.app}`)?.['seq'];
    const isUncounted = typeof uncounted === 'number' && known.cursor.seq < uncounted;
    return {
      books: isUncounted ? { ...known, uncountedTo: uncounted } : known,
      told: readTold(entry?.['told']),
      resumes: Number(entry?.['resumes'] ?? 0),
    };
  }

  /** A drain without a checkpoint starts where the log stood when it was added. */
  #firstBooks(row: DrainRow): Books {
    const bus = this.#bus;
    const start = parsePosition(row.start.position);
    const partition = bus.partitionOf(row.app);
    const position = start ?? { logId: bus.logId, partition, offset: 0, line: 0 };
    return newBooks({ position, seq: start ? row.start.appSeq : 0 }, row.createdAtMs);
  }
}

export type CheckpointReader = (
  row: DrainRow,
) => Promise<{ readonly kept: KeptDrain; readonly replay: ReplayRun | undefined }>;

function replayOf(row: DrainRow, entries: Entries): ReplayRun | undefined {
  const entry = entries.get(replayKey(row));
  return entry && decodeRun(entry);
}

function drainKey(row: DrainRow): string {
  return `drain:${row.id}`;
}

function replayKey(row: DrainRow): string {
  return `replay:${row.id}`;
}

/** Another app's drain had the same id when the registry is one from a backup, which does not know of it. */
function isOf(app: AppId, { reached }: Exclude<Entry, null>): boolean {
  return !Array.isArray(reached) || reached[1] === app;
}

function reachedEntry(app: AppId, books: Books): readonly unknown[] {
  const { position, seq } = reachedBy(books);
  return [position.logId, app, position.offset, seq];
}

import type { AppId } from '../core/ids.ts';
import type { Position } from '../core/position.ts';
import type { LogRecord } from '../core/record.ts';
import type { Service } from '../core/service.ts';

/**
 * The durable, partitioned log. Promises:
 * - `append` resolves when its records are durable; then, and never before, readers see them;
 * - each partition has one order, and every reader sees that order;
 * - an app lives in one partition, which numbers the app's lines (`appSeq`) without holes;
 * - what was resolved stays readable until retention takes it, whole segments at a time, oldest first.
 */
export interface LogBus extends Service {
  readonly logId: string;
  readonly partitions: number;
  partitionOf(app: AppId): number;
  /**
   * Stores the records of one request, all of one app, in order.
   * @throws DependencyError BUS_UNAVAILABLE or BUS_OVERLOADED; nothing was acknowledged, some may be stored.
   */
  append(records: readonly LogRecord[]): Promise<void>;
  /** Live records from now on. Handlers are never awaited and must not throw. */
  subscribe(handlers: SubscriptionHandlers): Subscription;
  /**
   * Records from `from` on, at most about `maxBytes` of frames (at least one record where there is one);
   * with `app`, only that app's. A position below the oldest line starts at the oldest; a position of
   * another log, or beyond the head, starts at the oldest as well. Compare `page.from` with what was asked.
   */
  read(from: Position, maxBytes: number, app?: AppId): Promise<Page>;
  /** Where to read from to see the app's last `linesBack` lines, or those received `since` (ms since 1970). */
  seek(app: AppId, to: { linesBack: number } | { since: number }): Promise<Position>;
  /** Lines of the app in [from, to), counted from the index. */
  count(app: AppId, from: Position, to: Position): Promise<number>;
  /** What the app's lines from `from` on weigh, roughly: see {@link Weight}. */
  weigh(app: AppId, from: Position): Promise<Weight>;
  /** The ends of a partition; with `app`, also that app's numbers there. */
  bounds(partition: number, app?: AppId): Promise<{ oldest: Bound; head: Bound }>;
  readonly checkpoints: CheckpointStore;
}

export interface Weight {
  /** In the log, headers included. An estimate where there is much of it. */
  readonly bytes: number;
  /** Receipt time of the first of them, ms since 1970; undefined when there is none. */
  readonly sinceMs: number | undefined;
}

/** A record as the bus hands it out. */
export interface StoredRecord {
  readonly record: LogRecord;
  /** Of the record's first line; `line` is 0. */
  readonly position: Position;
  /** Number of the app's lines before this record, since the app began. */
  readonly appSeq: number;
  /** The app's previous record (its first line), whether or not retention has taken it; null for its first. */
  readonly previous: Position | null;
}

/** A position with the app's numbers at it: `appSeq` of its lines come before, `previous` is its last record before. */
export interface Bound {
  readonly position: Position;
  /** 0 where no app was asked for. */
  readonly appSeq: number;
  /** null where no app was asked for. */
  readonly previous: Position | null;
}

export interface Page {
  /** Where this page really starts: later than what was asked when retention has taken lines, or the log is another. */
  readonly from: Bound;
  readonly records: readonly StoredRecord[];
  /** Where the next read goes on. */
  readonly next: Bound;
  /** Nothing of this app (of this partition, without app) was durable at or after `next`. */
  readonly atHead: boolean;
}

export interface SubscriptionHandlers {
  /** This process owns the partition now; checkpoints are written with this epoch. */
  assigned(partition: number, epoch: number): void;
  revoked(partition: number): void;
  records(partition: number, records: readonly StoredRecord[]): void;
}

export interface Subscription {
  /** Stops handing out records of a partition; what passes meanwhile is not handed out later: readers find the hole by `previous`. */
  pause(partition: number): void;
  resume(partition: number): void;
  close(): void;
}

/**
 * A value that JSON can carry; `null` deletes the key. A field `reached: [logId, app, offset, seq]` says that the
 * app's lines before number `seq` and that log's records before `offset` have been handed out: should they be found corrupt at a start,
 * the log gives neither again. It then puts down `uncounted:<app>` with that `seq`: how many lines are missing before
 * it is not known, but for a lower bound.
 */
export type Entry = { readonly [field: string]: unknown } | null;
export type Entries = ReadonlyMap<string, Exclude<Entry, null>>;

/** Small facts about positions, kept beside the log. Keys: `drain:<id>`, `app:<id>`, or a name of its own. */
export interface CheckpointStore {
  load(partition: number): Promise<Entries>;
  /**
   * A plain write, grouped per turn of the loop: survives `kill -9` once the returned promise resolves,
   * a power cut after the next sync (at most a second later). An entry replaces the one of its key.
   */
  append(partition: number, epoch: number, entries: ReadonlyMap<string, Entry>): Promise<void>;
  /** Resolves when everything appended so far is durable. */
  sync(): Promise<void>;
}

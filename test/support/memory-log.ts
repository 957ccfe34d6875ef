import type { AppId } from '../../src/core/ids.ts';
import { partitionOf } from '../../src/core/partition.ts';
import type { Position } from '../../src/core/position.ts';
import type { LogRecord } from '../../src/core/record.ts';
import type { Bound, CheckpointStore, Entries, Entry, LogBus, Page } from '../../src/bus/bus.ts';
import type {
  StoredRecord,
  Subscription,
  SubscriptionHandlers,
  Weight,
} from '../../src/bus/bus.ts';
import { Subscribers } from '../../src/bus/subscribers.ts';

/** The contract of the log and nothing else: arrays. `dropBefore` is its retention. */
export class MemoryLog implements LogBus {
  readonly logId: string;
  readonly partitions: number;
  readonly checkpoints = new MemoryCheckpoints();
  readonly #records: StoredRecord[][];
  readonly #oldest: number[];
  readonly #subscribers: Subscribers;
  /** When set, appends are refused with it. */
  refuse: Error | undefined;

  constructor(options: { partitions?: number; logId?: string } = {}) {
    this.partitions = options.partitions ?? 1;
    this.logId = options.logId ?? 'feedfacefeedface';
    this.#records = Array.from({ length: this.partitions }, () => []);
    this.#oldest = Array.from({ length: this.partitions }, () => 0);
    this.#subscribers = new Subscribers(this.partitions, 1);
  }

  partitionOf(app: AppId): number {
    return partitionOf(app, this.partitions);
  }

  async append(records: readonly LogRecord[]): Promise<void> {
    await new Promise((resolve) => setImmediate(resolve));
    if (this.refuse) throw this.refuse;
    const first = records[0];
    if (!first) return;
    const partition = this.partitionOf(first.app);
    const stored = records.map((record) => this.#store(partition, record));
    this.#subscribers.publish(partition, stored);
  }

  subscribe(handlers: SubscriptionHandlers): Subscription {
    return this.#subscribers.add(handlers);
  }

  read(asked: Position, maxBytes: number, app?: AppId): Promise<Page> {
    const partition = app === undefined ? asked.partition : this.partitionOf(app);
    const from = this.#clamp(partition, asked);
    const all = this.#visible(partition, app).filter((r) => r.position.offset >= from.offset);
    const records: StoredRecord[] = [];
    let bytes = 0;
    for (const record of all) {
      if (bytes >= maxBytes && records.length > 0) break;
      records.push(record);
      bytes += record.record.frames.length;
    }
    const last = records.at(-1);
    const isWhole = records.length === all.length;
    const head = this.#head(partition, app);
    const next: Bound =
      isWhole || !last
        ? head
        : {
            position: this.#position(partition, last.position.offset + 1),
            appSeq: app === undefined ? 0 : last.appSeq + last.record.lines,
            previous: app === undefined ? null : last.position,
          };
    const start = {
      position: from,
      appSeq: this.#seqAt(app, partition, from),
      previous: records[0]?.previous ?? head.previous,
    };
    return Promise.resolve({ from: start, records, next, atHead: isWhole });
  }

  seek(app: AppId, to: { linesBack: number } | { since: number }): Promise<Position> {
    const partition = this.partitionOf(app);
    const records = this.#visible(partition, app);
    const head = this.#head(partition, app);
    if ('since' in to) {
      const found = records.find(({ record }) => record.receivedAtMs >= to.since);
      return Promise.resolve(found?.position ?? head.position);
    }
    const seq = Math.max(0, head.appSeq - to.linesBack);
    const found = records.find((r) => r.appSeq + r.record.lines > seq);
    if (!found) return Promise.resolve(head.position);
    return Promise.resolve({ ...found.position, line: Math.max(0, seq - found.appSeq) });
  }

  count(app: AppId, from: Position, to: Position): Promise<number> {
    const partition = this.partitionOf(app);
    const [a, b] = [this.#clamp(partition, from), this.#clamp(partition, to)];
    return Promise.resolve(
      Math.max(0, this.#seqAt(app, partition, b) - this.#seqAt(app, partition, a)),
    );
  }

  weigh(app: AppId, from: Position): Promise<Weight> {
    const partition = this.partitionOf(app);
    const at = this.#clamp(partition, from);
    const rest = this.#visible(partition, app).filter((r) => r.position.offset >= at.offset);
    return Promise.resolve({
      bytes: rest.reduce((sum, { record }) => sum + record.frames.length, 0),
      sinceMs: rest[0]?.record.receivedAtMs,
    });
  }

  bounds(partition: number, app?: AppId): Promise<{ oldest: Bound; head: Bound }> {
    const position = this.#position(partition, this.#oldest[partition] ?? 0);
    const before = (this.#records[partition] ?? []).findLast(
      (r) => r.record.app === app && r.position.offset < position.offset,
    );
    const oldest = {
      position,
      appSeq: this.#seqAt(app, partition, position),
      previous: before?.position ?? null,
    };
    return Promise.resolve({ oldest, head: this.#head(partition, app) });
  }

  /** Retention: everything below `offset` is gone. */
  dropBefore(partition: number, offset: number): void {
    this.#oldest[partition] = offset;
  }

  problem(): string | undefined {
    return this.refuse?.message;
  }

  close(): Promise<void> {
    this.#subscribers.close();
    return Promise.resolve();
  }

  #store(partition: number, record: LogRecord): StoredRecord {
    const log = this.#records[partition] ?? [];
    const previous = log.findLast((r) => r.record.app === record.app);
    const stored = {
      record,
      position: this.#position(partition, log.length),
      appSeq: previous ? previous.appSeq + previous.record.lines : 0,
      previous: previous?.position ?? null,
    };
    log.push(stored);
    return stored;
  }

  #visible(partition: number, app: AppId | undefined): StoredRecord[] {
    return (this.#records[partition] ?? [])
      .slice(this.#oldest[partition] ?? 0)
      .filter((r) => app === undefined || r.record.app === app);
  }

  #head(partition: number, app: AppId | undefined): Bound {
    const log = this.#records[partition] ?? [];
    const position = this.#position(partition, log.length);
    const last = app === undefined ? undefined : log.findLast((r) => r.record.app === app);
    if (!last) return { position, appSeq: 0, previous: null };
    return { position, appSeq: last.appSeq + last.record.lines, previous: last.position };
  }

  #seqAt(app: AppId | undefined, partition: number, at: Position): number {
    if (app === undefined) return 0;
    const next = (this.#records[partition] ?? []).find(
      (r) => r.record.app === app && r.position.offset >= at.offset,
    );
    if (!next) return this.#head(partition, app).appSeq;
    if (next.position.offset !== at.offset) return next.appSeq;
    return next.appSeq + Math.min(at.line, next.record.lines);
  }

  #clamp(partition: number, asked: Position): Position {
    const oldest = this.#position(partition, this.#oldest[partition] ?? 0);
    const head = this.#records[partition]?.length ?? 0;
    const isBeyond = asked.offset > head || (asked.offset === head && asked.line > 0);
    const isGone = asked.logId !== this.logId || isBeyond || asked.offset < oldest.offset;
    return isGone ? oldest : asked;
  }

  #position(partition: number, offset: number): Position {
    return { logId: this.logId, partition, offset, line: 0 };
  }
}

class MemoryCheckpoints implements CheckpointStore {
  readonly #entries = new Map<number, Map<string, Exclude<Entry, null>>>();

  load(partition: number): Promise<Entries> {
    return Promise.resolve(new Map(this.#entries.get(partition)));
  }

  append(partition: number, _epoch: number, entries: ReadonlyMap<string, Entry>): Promise<void> {
    const live = this.#entries.get(partition) ?? new Map<string, Exclude<Entry, null>>();
    this.#entries.set(partition, live);
    for (const [key, entry] of entries) {
      const copy = JSON.parse(JSON.stringify(entry)) as Entry;
      if (copy === null) live.delete(key);
      else live.set(key, copy);
    }
    return Promise.resolve();
  }

  sync(): Promise<void> {
    return Promise.resolve();
  }
}

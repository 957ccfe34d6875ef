import { DependencyError } from '../../core/errors.ts';
import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import type { AppId } from '../../core/ids.ts';
import type { Position } from '../../core/position.ts';
import type { LogRecord } from '../../core/record.ts';
import type { StoredRecord } from '../bus.ts';
import type { AppHead, AppHeads } from './app-heads.ts';
import { isDeviceFailure, isNoSpace } from './disk-errors.ts';
import { writeIndex, type IndexCache } from './index-cache.ts';
import { createSegment, indexPath, type Segment } from './segment.ts';
import { encodeEnvelope } from './segment-format.ts';
import { IndexBuilder } from './segment-index.ts';
import type { Storage } from './storage.ts';

export interface PartitionLogOptions {
  readonly logId: string;
  readonly partition: number;
  readonly directory: string;
  /** A segment is sealed once it is this long. */
  readonly segmentBytes: number;
  /** Records waiting for their turn to be written, in bytes. */
  readonly appendQueueBytesMax: number;
  /** Written and fsynced together, in bytes. */
  readonly commitBytesMax: number;
}

export interface PartitionLogParts {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly indexes: IndexCache;
  /** Hands durable records to subscribers, in order. */
  readonly publish: (records: readonly StoredRecord[]) => void;
  /** A segment has been sealed: the apps in it and their heads become a checkpoint. */
  readonly sealed: (segment: Segment, heads: AppHeads) => void;
  readonly committed: (facts: { records: number; bytes: number; seconds: number }) => void;
  /** The disk refused in a way after which nothing on it can be trusted (EIO). */
  readonly failed: (error: unknown) => void;
}

/** What a start found: see `partition-recovery.ts`. */
export interface RecoveredPartition {
  readonly segments: Segment[];
  readonly active: IndexBuilder;
  readonly heads: AppHeads;
  readonly nextOffset: number;
  /** Apps of which lines that were handed out are gone, with the number that the next line gets. */
  readonly uncounted: ReadonlyMap<AppId, number>;
}

interface Append {
  readonly records: readonly LogRecord[];
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

interface Encoded {
  readonly stored: StoredRecord;
  readonly envelope: Buffer;
}

/**
 * The writing side of one partition. Appends that wait are written together (group commit): one write, one
 * fdatasync, and only then do readers, subscribers and senders learn of them.
 *
 * ```
 * append ─► queue ─► commit: number → write → fdatasync → index, heads, publish, resolve ─► (full?) seal
 *                              └─ ENOSPC: cut the file back, forget the numbers, reject ─► full until space returns
 *                              └─ EIO: reject everything, report failure (the process exits)
 * ```
 */
export class PartitionLog {
  readonly logId: string;
  readonly partition: number;
  readonly segments: Segment[];
  readonly heads: AppHeads;
  /** Offset after the last durable record. */
  headOffset: number;
  /** Set while the disk has no room; appends are refused meanwhile. */
  full = false;
  readonly #options: PartitionLogOptions;
  readonly #parts: PartitionLogParts;
  #active: IndexBuilder;
  /** Heads of the apps in the group that is being written. Nobody sees them before it is durable. */
  readonly #ahead = new Map<AppId, AppHead>();
  #queue: Append[] = [];
  #queuedBytes = 0;
  #committing: Promise<void> | undefined;
  #broken: unknown;

  constructor(
    options: PartitionLogOptions,
    parts: PartitionLogParts,
    recovered: RecoveredPartition,
  ) {
    this.logId = options.logId;
    this.partition = options.partition;
    this.#options = options;
    this.#parts = parts;
    this.segments = recovered.segments;
    this.heads = recovered.heads;
    this.headOffset = recovered.nextOffset;
    this.#active = recovered.active;
  }

  get bytes(): number {
    return this.segments.reduce((sum, segment) => sum + segment.bytes, 0);
  }

  append(records: readonly LogRecord[]): Promise<void> {
    const bytes = records.reduce(
      (sum, record) => sum + record.frames.length + recordOverheadBytes,
      0,
    );
    if (this.#broken !== undefined)
      return Promise.reject(unavailable('the log has failed', this.#broken));
    if (this.full) return Promise.reject(unavailable('no space left for the log'));
    if (this.#queuedBytes > 0 && this.#queuedBytes + bytes > this.#options.appendQueueBytesMax) {
      return Promise.reject(
        new DependencyError('BUS_OVERLOADED', 'too many bytes wait to be written'),
      );
    }
    this.#queuedBytes += bytes;
    return new Promise((resolve, reject) => {
      this.#queue.push({ records, bytes, resolve, reject });
      this.#committing ??= this.#commitAll();
    });
  }

  /** Resolves when nothing waits to be written. */
  async close(): Promise<void> {
    await this.#committing;
    for (const segment of this.segments) await segment.retire();
  }

  /** Removes the oldest segment from what readers see; its files are the caller's to delete. */
  dropOldest(): Segment | undefined {
    return this.segments.length > 1 ? this.segments.shift() : undefined;
  }

  async #commitAll(): Promise<void> {
    // One turn of the loop later, so that all requests that arrived in this one share the write.
    await new Promise((resolve) => setImmediate(resolve));
    while (this.#queue.length > 0) await this.#commitGroup(this.#takeGroup());
    this.#committing = undefined;
  }

  #takeGroup(): Append[] {
    let bytes = 0;
    let count = 0;
    for (const append of this.#queue) {
      if (count > 0 && bytes + append.bytes > this.#options.commitBytesMax) break;
      bytes += append.bytes;
      count++;
    }
    this.#queuedBytes -= bytes;
    return this.#queue.splice(0, count);
  }

  async #commitGroup(group: readonly Append[]): Promise<void> {
    const startedMs = this.#parts.clock.monotonicMs();
    const records = group.flatMap((append) => append.records);
    const encoded = records.map((record, i) => this.#encode(record, this.headOffset + i));
    const segment = this.#activeSegment();
    const at = segment.bytes;
    let bytes: number;
    try {
      bytes = await this.#write(segment, at, encoded);
    } catch (error) {
      await this.#undo(group, error);
      return;
    }
    this.#publish(segment, at, encoded);
    for (const append of group) append.resolve();
    const seconds = (this.#parts.clock.monotonicMs() - startedMs) / 1000;
    this.#parts.committed({ records: encoded.length, bytes, seconds });
    if (segment.bytes >= this.#options.segmentBytes) await this.#seal(segment);
  }

  /** Numbers a record: the group's next offset, and the app's next line. */
  #encode(record: LogRecord, offset: number): Encoded {
    const head = this.#ahead.get(record.app) ?? this.heads.peek(record.app);
    const position = this.#position(offset);
    const stored = { record, position, appSeq: head.seq, previous: head.previous };
    this.#ahead.set(record.app, { seq: head.seq + record.lines, previous: position });
    return { stored, envelope: encodeEnvelope(record, offset, stored.appSeq) };
  }

  async #write(segment: Segment, at: number, encoded: readonly Encoded[]): Promise<number> {
    const buffers: Buffer[] = [];
    let bytes = 0;
    for (const { envelope, stored } of encoded) {
      buffers.push(envelope);
      if (stored.record.frames.length > 0) buffers.push(stored.record.frames);
      bytes += envelope.length + stored.record.frames.length;
    }
    await segment.file.write(buffers, at);
    await segment.file.sync();
    return bytes;
  }

  #publish(segment: Segment, at: number, encoded: readonly Encoded[]): void {
    let fileAt = at;
    for (const { stored, envelope } of encoded) {
      const bytes = envelope.length + stored.record.frames.length;
      this.#active.add({
        app: stored.record.app,
        offset: stored.position.offset,
        fileAt,
        bytes,
        lines: stored.record.lines,
        appSeq: stored.appSeq,
        previousOffset: stored.previous?.offset ?? -1,
        timeMs: stored.record.receivedAtMs,
      });
      fileAt += bytes;
    }
    segment.bytes = fileAt;
    this.headOffset += encoded.length;
    for (const [app, head] of this.#ahead) Object.assign(this.heads.of(app), head);
    this.#ahead.clear();
    this.#parts.publish(encoded.map(({ stored }) => stored));
  }

  /** Nothing of the group counts: its numbers are given again, and the end of the file goes back. */
  async #undo(group: readonly Append[], error: unknown): Promise<void> {
    this.#ahead.clear();
    const isFull = isNoSpace(error);
    let failure: unknown = isFull ? undefined : error;
    try {
      if (isFull) await this.#activeSegment().file.truncate(this.#activeSegment().bytes);
    } catch (truncateError) {
      failure = truncateError;
    }
    const waiting = this.#queue.splice(0);
    this.#queuedBytes = 0;
    if (failure !== undefined) this.#broken = failure;
    else this.full = true;
    this.#parts.logger.error({ err: error, partition: this.partition }, 'log.write_failed');
    const refusal = unavailable(
      isFull ? 'no space left for the log' : 'the log cannot be written',
      error,
    );
    for (const append of [...group, ...waiting]) append.reject(refusal);
    if (failure !== undefined) this.#parts.failed(failure);
  }

  /** Ends the active segment and starts the next. Should that fail, the active one simply stays active. */
  async #seal(segment: Segment): Promise<void> {
    const { storage, indexes } = this.#parts;
    const { logId, partition } = this;
    const next = this.headOffset;
    let successor: Segment;
    try {
      const header = { logId, partition, base: next };
      successor = await createSegment(storage, this.#options.directory, header);
    } catch (error) {
      this.#sealFailed(error);
      return;
    }
    const index = this.#active.encode();
    const isIndexed = await this.#writeIndex(segment, index);
    segment.maxTimeMs = this.#active.maxTimeMs;
    this.#parts.sealed(segment, this.heads);
    segment.active = undefined;
    this.#active = new IndexBuilder(next);
    successor.active = this.#active;
    this.segments.push(successor);
    indexes.forget(segment);
    if (!isIndexed) indexes.keep(segment, index);
  }

  /** False when there is no index file now: it can be made again from the segment. */
  async #writeIndex(segment: Segment, index: Buffer): Promise<boolean> {
    try {
      await writeIndex(this.#parts.storage, segment.path, index);
      return true;
    } catch (error) {
      await this.#parts.storage.unlink(indexPath(segment.path)).catch(() => undefined);
      this.#sealFailed(error);
      return false;
    }
  }

  #sealFailed(error: unknown): void {
    this.#parts.logger.warn({ err: error, partition: this.partition }, 'log.seal_failed');
    if (!isDeviceFailure(error)) return;
    this.#broken = error;
    this.#parts.failed(error);
  }

  #activeSegment(): Segment {
    const segment = this.segments.at(-1);
    if (!segment) throw new Error('a partition without a segment');
    return segment;
  }

  #position(offset: number): Position {
    return { logId: this.logId, partition: this.partition, offset, line: 0 };
  }
}

/** What a record takes in the file beside its frames, for the bounds on bytes that wait. */
const recordOverheadBytes = 100;

function unavailable(message: string, cause?: unknown): DependencyError {
  return new DependencyError('BUS_UNAVAILABLE', message, cause);
}

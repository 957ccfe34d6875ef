import { DependencyError } from '../../core/errors.ts';
import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import type { AppId } from '../../core/ids.ts';
import type { Position } from '../../core/position.ts';
import type { LogRecord } from '../../core/record.ts';
import type { StoredRecord } from '../bus.ts';
import { AppendQueue, type Append, type AppendQueueOptions } from './append-queue.ts';
import type { AppHead, AppHeads } from './app-heads.ts';
import { isDeviceFailure, isNoSpace, isPassing } from './disk-errors.ts';
import type { IndexBuilder } from './index-builder.ts';
import type { Segment } from './segment.ts';
import { SegmentChain, type SegmentChainOptions, type SegmentChainParts } from './segment-chain.ts';
import { encodeEnvelope } from './segment-format.ts';

export interface PartitionLogOptions extends AppendQueueOptions, SegmentChainOptions {}

export interface PartitionLogParts extends Omit<SegmentChainParts, 'sealed'> {
  readonly clock: Clock;
  readonly logger: Logger;
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
 *                              └─ ENOSPC: forget the numbers, reject, cut the file back ─► full until space returns
 *                              └─ no file descriptor: forget the numbers, reject
 *                              └─ EIO: reject everything, report failure (the process exits)
 * ```
 */
export class PartitionLog {
  readonly logId: string;
  readonly partition: number;
  readonly heads: AppHeads;
  /** Offset after the last durable record. */
  headOffset: number;
  /** Set while the disk has no room; appends are refused meanwhile. */
  full = false;
  /** What may still be written before the disk counts as full, as of the last look at it. */
  roomBytes = 0;
  readonly #options: PartitionLogOptions;
  readonly #parts: PartitionLogParts;
  /** Heads of the apps in the group that is being written. Nobody sees them before it is durable. */
  readonly #ahead = new Map<AppId, AppHead>();
  readonly #chain: SegmentChain;
  readonly #queue: AppendQueue;
  #committing: Promise<void> | undefined;
  /** The file may have bytes of a group that was refused; they go, durably, before anything else is written. */
  #mustCut = false;
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
    this.heads = recovered.heads;
    this.headOffset = recovered.nextOffset;
    const sealed = (segment: Segment): void => parts.sealed(segment, this.heads);
    this.#chain = new SegmentChain(options, { ...parts, sealed }, recovered);
    this.#queue = new AppendQueue(options);
  }

  get directory(): string {
    return this.#options.directory;
  }

  /** Oldest first; the last one is the active one. */
  get segments(): readonly Segment[] {
    return this.#chain.segments;
  }

  /** A segment is sealed once it is this long. */
  set segmentBytes(bytes: number) {
    this.#chain.segmentBytes = bytes;
  }

  get bytes(): number {
    return this.#chain.bytes;
  }

  append(records: readonly LogRecord[]): Promise<void> {
    if (this.#broken !== undefined)
      return Promise.reject(unavailable('the log has failed', this.#broken));
    if (this.full) return Promise.reject(unavailable(noSpace));
    const written = this.#queue.add(records);
    if (!this.#queue.isEmpty) this.#committing ??= this.#commitAll();
    return written;
  }

  /** Resolves when nothing waits to be written. */
  async whenWritten(): Promise<void> {
    await this.#committing;
  }

  /** Ends an active segment that is too long already, because segments have become smaller since it was begun. */
  async sealWhenDue(): Promise<void> {
    await this.whenWritten();
    if (this.#committing || !this.#chain.isSealDue) return;
    this.#committing = this.#seal().then(() => this.#commitAll());
    await this.#committing;
  }

  async close(): Promise<void> {
    await this.whenWritten();
    await this.#chain.retire();
  }

  /** Removes the oldest segment from what readers see; its files are the caller's to delete. */
  dropOldest(): Segment | undefined {
    return this.#chain.dropOldest();
  }

  async #commitAll(): Promise<void> {
    // One turn of the loop later, so that all requests that arrived in this one share the write.
    await new Promise((resolve) => setImmediate(resolve));
    while (!this.#queue.isEmpty) {
      if (this.full) this.#refuse(this.#queue.takeAll(), unavailable(noSpace));
      else await this.#commitGroup(this.#queue.takeGroup());
    }
    this.#committing = undefined;
  }

  async #commitGroup(group: readonly Append[]): Promise<void> {
    const startedMs = this.#parts.clock.monotonicMs();
    const records = group.flatMap((append) => append.records);
    const encoded = records.map((record, i) => this.#encode(record, this.headOffset + i));
    let bytes: number;
    try {
      await this.#chain.succeed();
      bytes = await this.#write(this.#chain.active, encoded);
    } catch (error) {
      await this.#undo(group, error);
      return;
    }
    this.roomBytes -= bytes;
    this.full ||= this.roomBytes < 0;
    const segment = this.#chain.active;
    this.#publish(segment, encoded);
    for (const append of group) append.resolve();
    const seconds = (this.#parts.clock.monotonicMs() - startedMs) / 1000;
    this.#parts.committed({ records: encoded.length, bytes, seconds });
    if (this.#chain.isSealDue) await this.#seal();
  }

  /** Numbers a record: the group's next offset, and the app's next line. */
  #encode(record: LogRecord, offset: number): Encoded {
    const head = this.#ahead.get(record.app) ?? this.heads.peek(record.app);
    const position = this.#position(offset);
    const stored = { record, position, appSeq: head.seq, previous: head.previous };
    this.#ahead.set(record.app, { seq: head.seq + record.lines, previous: position });
    const numbers = { ordinal: offset, appSeq: stored.appSeq };
    return { stored, envelope: encodeEnvelope(record, numbers, this.#chain.active.salt) };
  }

  async #write(segment: Segment, encoded: readonly Encoded[]): Promise<number> {
    if (this.#mustCut) await this.#cutBack(segment);
    const buffers: Buffer[] = [];
    let bytes = 0;
    for (const { envelope, stored } of encoded) {
      buffers.push(envelope);
      if (stored.record.frames.length > 0) buffers.push(stored.record.frames);
      bytes += envelope.length + stored.record.frames.length;
    }
    await segment.file.write(buffers, segment.bytes);
    await segment.file.sync();
    return bytes;
  }

  #publish(segment: Segment, encoded: readonly Encoded[]): void {
    const { index } = this.#chain;
    let fileAt = segment.bytes;
    for (const { stored, envelope } of encoded) {
      const bytes = envelope.length + stored.record.frames.length;
      index.add({
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
    this.#parts.logger.error({ err: error, partition: this.partition }, 'log.write_failed');
    let failure = error;
    if (isNoSpace(error)) {
      this.full = this.#mustCut = true;
      failure = await this.#cutBack(this.#chain.active).catch((later: unknown) => later);
    }
    const isFatal = failure !== undefined && !isPassing(failure);
    if (isFatal) this.#broken = failure;
    const isFull = this.full && !isFatal;
    const why = isFull ? noSpace : 'the log cannot be written';
    this.#refuse([...group, ...this.#queue.takeAll()], unavailable(why, error));
    if (isFatal) this.#parts.failed(failure);
  }

  /** Synced, because remains of a refused group behind a later, shorter one would read as records after a power cut. */
  async #cutBack(segment: Segment): Promise<void> {
    await segment.file.truncate(segment.bytes);
    await segment.file.sync();
    this.#mustCut = false;
  }

  #refuse(appends: readonly Append[], refusal: DependencyError): void {
    for (const append of appends) append.reject(refusal);
  }

  /** Where that cannot be, the active segment simply stays active. */
  async #seal(): Promise<void> {
    try {
      await this.#chain.seal(this.headOffset);
    } catch (error) {
      this.#sealFailed(error);
    }
  }

  #sealFailed(error: unknown): void {
    this.#parts.logger.warn({ err: error, partition: this.partition }, 'log.seal_failed');
    if (!isDeviceFailure(error)) return;
    this.#broken = error;
    this.#refuse(this.#queue.takeAll(), unavailable('the log cannot be written', error));
    this.#parts.failed(error);
  }

  #position(offset: number): Position {
    return { logId: this.logId, partition: this.partition, offset, line: 0 };
  }
}

const noSpace = 'no space left for the log';

function unavailable(message: string, cause?: unknown): DependencyError {
  return new DependencyError('BUS_UNAVAILABLE', message, cause);
}

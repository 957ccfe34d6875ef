import type { Position } from '../../core/position.ts';
import { decodeRecord } from '../../core/record.ts';
import type { Page, StoredRecord } from '../bus.ts';
import { firstAtOrAfter } from './app-run.ts';
import type { IndexCache } from './index-cache.ts';
import type { ReadScheduler } from './read-scheduler.ts';
import type { ReadablePartition } from './readable-partition.ts';
import type { Segment } from './segment.ts';
import {
  decodeEnvelope,
  envelopedBytesMax,
  recordAt,
  segmentHeaderBytes,
  type Envelope,
} from './segment-format.ts';
import type { SegmentIndex } from './segment-index.ts';
import { nextEnvelopeAt } from './segment-scan.ts';

export interface PartitionWalkParts {
  readonly partition: ReadablePartition;
  readonly indexes: IndexCache;
  readonly scheduler: ReadScheduler;
  /** Called for each place in a segment at which no record begins, although one should. */
  readonly onCorrupt: (path: string, fileAt: number) => void;
}

/** How much of a partition is read at once where all of it is wanted. */
const readBytesMax = 1024 * 1024;

/** Pages of all apps' records, in the order in which they lie in the files. */
export class PartitionWalk {
  readonly #partition: ReadablePartition;
  readonly #parts: PartitionWalkParts;

  constructor(parts: PartitionWalkParts) {
    this.#partition = parts.partition;
    this.#parts = parts;
  }

  /** All apps' records: for what rebuilds itself from the end of the log at a start. */
  read(asked: Position, maxBytes: number): Promise<Page> {
    return this.#partition.whileKept(() => this.#read(asked, maxBytes));
  }

  async #read(asked: Position, maxBytes: number): Promise<Page> {
    const from = this.#partition.clamp(asked);
    const { position: head } = this.#partition.head();
    const records: StoredRecord[] = [];
    let bytes = 0;
    for (const segment of this.#partition.segmentsFrom(from.offset, head)) {
      const index = await this.#parts.indexes.of(segment, 0);
      for await (const envelope of this.#walk(segment, index.fileAtOrBefore(from.offset))) {
        if (envelope.ordinal < from.offset || envelope.ordinal >= head.offset) continue;
        records.push(this.#stored(envelope, index));
        bytes += envelope.bytes;
        if (bytes >= maxBytes) break;
      }
      if (bytes >= maxBytes) break;
    }
    const last = records.at(-1);
    const nextOffset = bytes >= maxBytes && last ? last.position.offset + 1 : head.offset;
    return {
      from: { position: from, appSeq: 0, previous: null },
      records,
      next: { position: this.#partition.position(nextOffset), appSeq: 0, previous: null },
      atHead: nextOffset >= head.offset,
    };
  }

  async *#walk(segment: Segment, startAt: number): AsyncIterable<Envelope> {
    let fileAt = Math.max(startAt, segmentHeaderBytes);
    while (fileAt < segment.bytes) {
      const at = fileAt;
      const window = await this.#parts.scheduler.run(0, async () => {
        const value = await segment.readBytes(at, readBytesMax);
        return { value, bytes: value.length };
      });
      if (window.length === 0) return;
      let used = 0;
      while (used < window.length) {
        const envelope = decodeEnvelope(window, used, segment.salt);
        if (!envelope) break;
        yield envelope;
        used += envelope.bytes;
      }
      // The window is larger than any record: what does not begin one here is none.
      if (used === 0) used = this.#skipped(segment, window, fileAt);
      fileAt += used;
    }
  }

  /** How many bytes of a window that begins with no record need not be seen again. */
  #skipped(segment: Segment, window: Buffer, fileAt: number): number {
    this.#parts.onCorrupt(segment.path, fileAt);
    const next = nextEnvelopeAt(window, 1, segment.salt);
    if (next !== undefined) return next;
    const isEnd = fileAt + window.length >= segment.bytes || window.length <= envelopedBytesMax;
    return isEnd ? window.length : window.length - envelopedBytesMax;
  }

  #stored(envelope: Envelope, index: SegmentIndex): StoredRecord {
    const record = decodeRecord(envelope.checked, recordAt);
    const run = index.find(record.app);
    const i = run ? firstAtOrAfter(run, envelope.ordinal) : 0;
    return {
      record,
      position: this.#partition.position(envelope.ordinal),
      appSeq: envelope.appSeq,
      previous: run ? this.#partition.previousOf(run, i) : null,
    };
  }
}

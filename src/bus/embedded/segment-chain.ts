import { IndexBuilder } from './index-builder.ts';
import { writeIndex, type IndexCache } from './index-cache.ts';
import { createSegment, type Segment } from './segment.ts';
import type { Storage } from './storage.ts';

export interface SegmentChainOptions {
  readonly logId: string;
  readonly partition: number;
  readonly salt: number;
  readonly directory: string;
  /** A segment is sealed once it is this long. */
  readonly segmentBytes: number;
}

export interface SegmentChainParts {
  readonly storage: Storage;
  readonly indexes: IndexCache;
  /** The segment has its successor; its index is still in memory. */
  readonly sealed: (segment: Segment) => void;
}

/**
 * The segments of one partition, from the oldest that retention has left to the active one, which is written.
 *
 * ```
 * active ─► long enough ─► index written ─► successor has its name ─► name durable ─► successor active
 *   └─ what fails on the way is tried again when the active one is longer; it takes records meanwhile
 * ```
 */
export class SegmentChain {
  /** Oldest first; the last one is the active one. */
  readonly segments: Segment[];
  /** A segment is sealed once it is this long. */
  segmentBytes: number;
  readonly #options: SegmentChainOptions;
  readonly #parts: SegmentChainParts;
  #index: IndexBuilder;
  /**
   * Has its name, which is not durable yet. Nothing is written before it is: a start takes the last name for the
   * active segment, with or without it.
   */
  #successor: Segment | undefined;
  /** A seal that found no space is tried again only when the segment is this long. */
  #sealAgainBytes = 0;

  constructor(
    options: SegmentChainOptions,
    parts: SegmentChainParts,
    recovered: { readonly segments: Segment[]; readonly active: IndexBuilder },
  ) {
    this.#options = options;
    this.#parts = parts;
    this.segments = recovered.segments;
    this.#index = recovered.active;
    this.segmentBytes = options.segmentBytes;
  }

  get active(): Segment {
    const segment = this.segments.at(-1);
    if (!segment) throw new Error('a partition without a segment');
    return segment;
  }

  /** Of the active segment. */
  get index(): IndexBuilder {
    return this.#index;
  }

  get bytes(): number {
    return this.segments.reduce((sum, segment) => sum + segment.bytes, 0);
  }

  /** The active segment is long enough to be sealed. */
  get isSealDue(): boolean {
    return this.active.bytes >= Math.max(this.segmentBytes, this.#sealAgainBytes);
  }

  /** Removes the oldest segment from what readers see; its files are the caller's to delete. */
  dropOldest(): Segment | undefined {
    const oldest = this.segments.length > 1 ? this.segments.shift() : undefined;
    if (oldest) {
      oldest.isDropped = true;
      const [next] = this.segments;
      if (next) next.older = undefined;
    }
    return oldest;
  }

  /**
   * Ends the active segment and starts the next, from offset `base` on. Where that cannot be, it throws Node's own
   * error, and the active one simply stays active.
   */
  async seal(base: number): Promise<void> {
    const { storage } = this.#parts;
    const { logId, partition, salt, directory } = this.#options;
    const segment = this.active;
    try {
      await writeIndex(storage, segment.path, this.#index.encode(segment.bytes));
      // Before the successor has its name: once older segments are gone, the index alone knows what was before.
      await storage.syncDirectory(directory);
      this.#successor = await createSegment(storage, directory, { logId, partition, salt, base });
      await this.succeed();
    } catch (error) {
      this.#sealAgainBytes = segment.bytes + this.segmentBytes / 8;
      throw error;
    }
  }

  /** Goes over to the successor, if there is one. */
  async succeed(): Promise<void> {
    const successor = this.#successor;
    if (!successor) return;
    await this.#parts.storage.syncDirectory(this.#options.directory);
    this.#successor = undefined;
    const segment = this.active;
    segment.maxTimeMs = this.#index.maxTimeMs;
    this.#index = new IndexBuilder(successor.base);
    successor.active = this.#index;
    successor.older = segment;
    this.segments.push(successor);
    this.#sealAgainBytes = 0;
    this.#parts.sealed(segment);
    segment.active = undefined;
    this.#parts.indexes.forget(segment);
  }

  /** Each file is closed once nobody reads it. */
  async retire(): Promise<void> {
    for (const segment of this.segments) await segment.retire();
    await this.#successor?.retire();
  }
}

import type { AppId } from '../../core/ids.ts';
import { LoopShare } from '../../core/loop-share.ts';
import { BlockCache } from './block-cache.ts';
import { rangeOf, type Extent, type Range } from './extent.ts';
import { FairRing } from './fair-ring.ts';
import type { Segment } from './segment.ts';

/** Whose reads take turns with those of the others: an app, or 0 for reads of all apps together. */
export type ReadFlow = AppId | 0;

export interface ReadSchedulerOptions {
  /** Under way at a time. */
  readonly readsMax: number;
  /** Blocks that were read last and are kept, in bytes. */
  readonly blockCacheBytesMax: number;
}

/** What a task of its own has read. */
export interface TaskResult<T> {
  readonly value: T;
  readonly bytes: number;
}

/** What is read at a time: a call costs as much as this many bytes. */
const limits = { blockBytes: 16 * 1024, readBytesMax: 256 * 1024 };
/** What a flow may read before it is the turn of the next. */
const quantumBytes = 64 * 1024;
/** What is handed out in one turn of the event loop: a batch or two. */
const turn = { turnBytesMax: 64 * 1024 };
/** Nothing more is read while so much waits to be handed out. */
const aheadBytesMax = 4 * 1024 * 1024;

/** Reads that wait: a task, or records of a segment. */
type Job = { readonly kind: 'task'; readonly start: () => Promise<number> } | Fetch;

/**
 * All reads of the log, a few at a time: Node's file pool is first in, first out, and without this the reads of
 * many laggards would queue in front of the fsync that acknowledgements wait for. Who is next is fair between apps by
 * bytes, and what is read on the way is kept for a while for others that are at the same place.
 *
 * ```
 * fetch, run ─► jobs by flow ─► FairRing: whose turn ─► BlockCache, else a read ─► copies
 * ```
 */
export class ReadScheduler {
  readonly #options: ReadSchedulerOptions;
  readonly #ring = new FairRing<ReadFlow>({ quantumBytes });
  readonly #jobs = new Map<ReadFlow, Set<Job>>();
  readonly #cache: BlockCache;
  /** Read buffers that nobody uses now. What is read is copied out, so that it does not keep the rest in memory. */
  readonly #buffers: Buffer[] = [];
  readonly #share: LoopShare;
  #reads = 0;
  #isScheduled = false;

  constructor(options: ReadSchedulerOptions) {
    this.#options = options;
    const { blockBytes } = limits;
    this.#cache = new BlockCache({ blockBytes, bytesMax: options.blockCacheBytesMax });
    this.#share = new LoopShare(turn, { released: () => this.#startReads() });
  }

  /** Resolves when it is the turn of so many bytes to be handed out: see {@link LoopShare}. */
  handOut(bytes: number): Promise<void> {
    return this.#share.take(bytes);
  }

  /** Waits for the flow's turn and then for `task`; it must not wait for another read itself. */
  run<T>(flow: ReadFlow, task: () => Promise<TaskResult<T>>): Promise<T> {
    return new Promise((resolve, reject) => {
      const start = async (): Promise<number> => {
        try {
          const { value, bytes } = await task();
          resolve(value);
          return bytes;
        } catch (error) {
          reject(error as Error);
          return 0;
        }
      };
      this.#add(flow, { kind: 'task', start });
      this.#startReads();
    });
  }

  /** The bytes of each of `extents`, which are in the order of the file; fewer where the file ends. */
  fetch(flow: ReadFlow, segment: Segment, extents: readonly Extent[]): Promise<Buffer[]> {
    return new Promise((resolve, reject) => {
      this.#add(flow, new Fetch(segment, extents, { resolve, reject }));
      this.#startReads();
    });
  }

  #add(flow: ReadFlow, job: Job): void {
    const jobs = this.#jobs.get(flow) ?? new Set();
    this.#jobs.set(flow, jobs.add(job));
    this.#ring.enter(flow);
  }

  #remove(flow: ReadFlow, job: Job): void {
    const jobs = this.#jobs.get(flow);
    if (!jobs?.delete(job) || jobs.size > 0) return;
    this.#jobs.delete(flow);
    this.#ring.leave(flow);
  }

  #startReads(): void {
    if (this.#isScheduled) return;
    let keptBytes = 0;
    while (this.#reads < this.#options.readsMax && this.#share.waitingBytes < aheadBytesMax) {
      if (keptBytes >= turn.turnBytesMax) return this.#goOnLater();
      const flow = this.#ring.next();
      if (flow === undefined) return;
      const [job] = this.#jobs.get(flow) ?? [];
      if (!job) return;
      this.#ring.begin(flow);
      this.#remove(flow, job);
      keptBytes += job.kind === 'fetch' ? this.#takeKept(flow, job) : 0;
      if (job.kind === 'fetch' && job.isDone) this.#ring.end(flow);
      else this.#startOne(flow, job);
    }
  }

  #takeKept(flow: ReadFlow, fetch: Fetch): number {
    const bytes = fetch.takeKept(this.#cache);
    this.#ring.charge(flow, bytes);
    return bytes;
  }

  #startOne(flow: ReadFlow, job: Job): void {
    this.#reads++;
    void this.#start(flow, job).finally(() => {
      this.#reads--;
      this.#ring.end(flow);
      this.#startReads();
    });
  }

  /** What the cache has comes without a wait: many that find theirs there must not take one turn of the loop. */
  #goOnLater(): void {
    this.#isScheduled = true;
    setImmediate(() => {
      this.#isScheduled = false;
      this.#startReads();
    });
  }

  async #start(flow: ReadFlow, job: Job): Promise<void> {
    const bytes = await (job.kind === 'task' ? job.start() : this.#read(job));
    this.#ring.charge(flow, bytes);
    if (job.kind === 'fetch' && !job.isDone) this.#add(flow, job);
  }

  /** One read for it, and what it brought it, in bytes. */
  async #read(fetch: Fetch): Promise<number> {
    const { segment } = fetch;
    const range = fetch.nextRange;
    const length = range.end - range.start;
    const buffer = this.#buffers.pop() ?? Buffer.allocUnsafeSlow(limits.readBytesMax);
    try {
      const into = length > buffer.length ? Buffer.allocUnsafeSlow(length) : buffer;
      const durableBytes = segment.bytes - range.start;
      let isDamaged = false;
      const onDamage = (): void => void (isDamaged = true);
      const read = await segment.readInto(into.subarray(0, length), range.start, onDamage);
      const isOfBlocks = range.start % limits.blockBytes === 0;
      // What the disk could not give may come another time.
      if (isOfBlocks && !isDamaged) {
        this.#cache.put(segment, range.start, read.subarray(0, Math.max(0, durableBytes)));
      }
      return fetch.give(read, range);
    } catch (error) {
      fetch.fail(error as Error);
      return 0;
    } finally {
      this.#buffers.push(buffer);
    }
  }
}

interface FetchDone {
  readonly resolve: (records: Buffer[]) => void;
  readonly reject: (error: Error) => void;
}

/** Records of one segment for one reader, gathered from the cache and as many reads as it takes, in one buffer. */
class Fetch {
  readonly kind = 'fetch';
  readonly segment: Segment;
  readonly #extents: readonly Extent[];
  /** The first extent that is still to come. */
  #next = 0;
  #done: FetchDone | undefined;
  #records: Buffer[] = [];
  #into: Buffer | undefined;
  #usedBytes = 0;

  constructor(segment: Segment, extents: readonly Extent[], done: FetchDone) {
    this.segment = segment;
    this.#extents = extents;
    this.#done = done;
  }

  /** All of it is there, or it has failed. */
  get isDone(): boolean {
    return this.#done === undefined;
  }

  get nextRange(): Range {
    return rangeOf(this.#extents, this.#next, limits);
  }

  /** Takes what comes next as far as the cache has it; returns bytes. */
  takeKept(cache: BlockCache): number {
    const { segment } = this;
    return this.#take(
      (extent) => cache.has(segment, extent),
      (extent, into, at) => cache.copy(segment, extent, into, at),
    );
  }

  /** Takes what comes next as far as it lies in the range that was read; returns bytes, fewer where the file ends. */
  give(read: Buffer, { start, end }: Range): number {
    return this.#take(
      ({ fileAt, bytes }) => fileAt >= start && fileAt + bytes <= end,
      ({ fileAt, bytes }, into, at) => {
        const from = Math.min(fileAt - start, read.length);
        return read.copy(into, at, from, from + bytes);
      },
    );
  }

  #take(
    isThere: (extent: Extent) => boolean,
    copy: (extent: Extent, into: Buffer, at: number) => number,
  ): number {
    const before = this.#usedBytes;
    for (let extent = this.#extents[this.#next]; extent; extent = this.#extents[this.#next]) {
      if (!isThere(extent)) return this.#usedBytes - before;
      // Not before there is something to put into it: many wait.
      this.#into ??= allocate(this.#extents.reduce((sum, { bytes }) => sum + bytes, 0));
      const bytes = copy(extent, this.#into, this.#usedBytes);
      this.#records.push(this.#into.subarray(this.#usedBytes, this.#usedBytes + bytes));
      this.#usedBytes += bytes;
      this.#next++;
    }
    this.#done?.resolve(this.#records);
    this.#letGo();
    return this.#usedBytes - before;
  }

  fail(error: Error): void {
    this.#done?.reject(error);
    this.#letGo();
  }

  /** The tables of fetches that were outgrown may go on holding this one until a full collection. */
  #letGo(): void {
    this.#done = undefined;
    this.#records = [];
    this.#into = undefined;
  }
}

/** Node's pool is for what is small; of a larger piece it would keep a whole slab in memory. */
function allocate(bytes: number): Buffer {
  return bytes < 4096 ? Buffer.allocUnsafe(bytes) : Buffer.allocUnsafeSlow(bytes);
}

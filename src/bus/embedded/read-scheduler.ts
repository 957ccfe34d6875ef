import type { AppId } from '../../core/ids.ts';
import { LoopShare } from '../../core/loop-share.ts';
import { FairRing } from './fair-ring.ts';
import type { Segment } from './segment.ts';
import { planSweep, type Extent, type Share } from './sweep.ts';

/** Whose reads take turns with those of the others: an app, or 0 for reads of all apps together. */
export type ReadFlow = AppId | 0;

export interface ReadSchedulerOptions {
  /** Under way at a time. */
  readonly readsMax: number;
}

/** What a task of its own has read. */
export interface TaskResult<T> {
  readonly value: T;
  readonly bytes: number;
}

/** How long one read may get, and how far apart records may lie to be fetched by it. */
const limits = { readBytesMax: 1024 * 1024, gapBytesMax: 16 * 1024 };
/** What a flow may read before it is the turn of the next. */
const quantumBytes = 64 * 1024;
/** What is handed out in one turn of the event loop: a batch or two. */
const turn = { turnBytesMax: 64 * 1024 };
/** Nothing more is read while so much waits to be handed out. */
const aheadBytesMax = 4 * 1024 * 1024;

/** Reads that wait: a task, or records of a segment, which anybody's read of that place may bring. */
type Job = { readonly kind: 'task'; readonly start: () => Promise<number> } | Fetch;

/**
 * All reads of the log, a few at a time: Node's file pool is first in, first out, and without this the reads of
 * many laggards would queue in front of the fsync that acknowledgements wait for. Who is next is fair between apps by
 * bytes, and what is read on the way is given to everybody who waits for it.
 *
 * ```
 * fetch, run ─► jobs by flow ─► FairRing: whose turn ─► planSweep: what else lies there ─► read ─► copies to each
 * ```
 */
export class ReadScheduler {
  readonly #options: ReadSchedulerOptions;
  readonly #ring = new FairRing<ReadFlow>({ quantumBytes });
  readonly #jobs = new Map<ReadFlow, Set<Job>>();
  readonly #fetches = new Map<Segment, Set<Fetch>>();
  /** Read buffers that nobody uses now. What is read is copied out, so that it does not keep the rest in memory. */
  readonly #buffers: Buffer[] = [];
  readonly #share: LoopShare;
  #reads = 0;

  constructor(options: ReadSchedulerOptions) {
    this.#options = options;
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
    if (extents.length === 0) return Promise.resolve([]);
    return new Promise((resolve, reject) => {
      const fetch = new Fetch({ flow, segment, extents }, { resolve, reject });
      const others = this.#fetches.get(segment) ?? new Set();
      this.#fetches.set(segment, others.add(fetch));
      this.#add(flow, fetch);
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
    while (this.#reads < this.#options.readsMax && this.#share.waitingBytes < aheadBytesMax) {
      const flow = this.#ring.next();
      if (flow === undefined) return;
      const [job] = this.#jobs.get(flow) ?? [];
      if (!job) return;
      this.#reads++;
      void this.#start(flow, job).finally(() => {
        this.#reads--;
        this.#startReads();
      });
    }
  }

  async #start(flow: ReadFlow, job: Job): Promise<void> {
    if (job.kind === 'fetch') return this.#sweep(job);
    this.#remove(flow, job);
    this.#ring.charge(flow, await job.start());
  }

  async #sweep(first: Fetch): Promise<void> {
    const { segment } = first;
    const sweep = planSweep(first, this.#fetches.get(segment) ?? [], limits);
    for (const { wanted, to, bytes } of sweep.shares) {
      wanted.from = to;
      this.#ring.charge(wanted.flow, bytes);
      if (wanted.from === wanted.extents.length) this.#forget(wanted);
    }
    const buffer = this.#buffers.pop() ?? Buffer.allocUnsafeSlow(limits.readBytesMax);
    try {
      const into = sweep.bytes > buffer.length ? Buffer.allocUnsafeSlow(sweep.bytes) : buffer;
      const bytes = await segment.readInto(into.subarray(0, sweep.bytes), sweep.fileAt);
      for (const share of sweep.shares) share.wanted.give(share, bytes, sweep.fileAt);
    } catch (error) {
      for (const { wanted } of sweep.shares) {
        this.#forget(wanted);
        wanted.fail(error as Error);
      }
    } finally {
      this.#buffers.push(buffer);
    }
  }

  #forget(fetch: Fetch): void {
    this.#remove(fetch.flow, fetch);
    const others = this.#fetches.get(fetch.segment);
    if (others?.delete(fetch) && others.size === 0) this.#fetches.delete(fetch.segment);
  }
}

interface FetchDone {
  readonly resolve: (records: Buffer[]) => void;
  readonly reject: (error: Error) => void;
}

/** Records of one segment for one reader, gathered from as many reads as it takes, in one buffer. */
class Fetch {
  readonly kind = 'fetch';
  readonly flow: ReadFlow;
  readonly segment: Segment;
  readonly extents: readonly Extent[];
  /** The first extent that no read has taken on. */
  from = 0;
  #done: FetchDone | undefined;
  #records: Buffer[] = [];
  #left: number;
  #into: Buffer | undefined;
  #usedBytes = 0;

  constructor(
    what: { flow: ReadFlow; segment: Segment; extents: readonly Extent[] },
    done: FetchDone,
  ) {
    this.flow = what.flow;
    this.segment = what.segment;
    this.extents = what.extents;
    this.#left = what.extents.length;
    this.#done = done;
  }

  /** Copies out its share of what was read from `fileAt` on. */
  give({ from, to }: Share<Fetch>, read: Buffer, fileAt: number): void {
    const { extents } = this;
    // Not before there is something to put into it: many wait.
    this.#into ??= allocate(extents.reduce((sum, extent) => sum + extent.bytes, 0));
    for (let i = from; i < to; i++) {
      const extent = extents[i] ?? { fileAt, bytes: 0 };
      const at = extent.fileAt - fileAt;
      const bytes = read.copy(this.#into, this.#usedBytes, at, at + extent.bytes);
      this.#records[i] = this.#into.subarray(this.#usedBytes, this.#usedBytes + bytes);
      this.#usedBytes += bytes;
    }
    this.#left -= to - from;
    if (this.#left > 0) return;
    this.#done?.resolve(this.#records);
    this.#letGo();
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

import { readFile } from 'node:fs/promises';
import type { SpillwayProcess } from '../../test/support/spillway-process.ts';

/** Looks as often as somebody's monitoring would, in every phase: the books of all drains are checked for each look. */
const lookEveryMs = 10_000;

/** The most memory that was seen. */
export class MemoryWatch {
  rssBytes = 0;
  queuedBytes = 0;
  readonly #spillway: SpillwayProcess;
  readonly #timer: NodeJS.Timeout;

  constructor(spillway: SpillwayProcess) {
    this.#spillway = spillway;
    this.#timer = setInterval(() => void this.#look(), lookEveryMs);
  }

  stop(): void {
    clearInterval(this.#timer);
  }

  async #look(): Promise<void> {
    const queuedBytes = await this.#spillway.metric('spillway_drain_queue_bytes');
    this.queuedBytes = Math.max(this.queuedBytes, queuedBytes);
    this.rssBytes = Math.max(this.rssBytes, await rssBytes(this.#spillway.pid));
  }
}

/** Resident memory of a process now. */
async function rssBytes(pid: number): Promise<number> {
  const status = await readFile(`/proc/${pid}/status`, 'latin1');
  return Number(/^VmRSS:\s+(\d+) kB/m.exec(status)?.[1] ?? 0) * 1024;
}

/** The times of group commits by phase, from the histogram that Spillway exports. */
export class CommitTimes {
  readonly #spillway: SpillwayProcess;
  readonly #phases = new Map<string, readonly Bucket[]>();
  #current: string | undefined;
  #before: readonly Bucket[] = [];

  constructor(spillway: SpillwayProcess) {
    this.#spillway = spillway;
  }

  async enter(phase: string | undefined): Promise<void> {
    const now = await this.#read();
    if (this.#current !== undefined) {
      const before = this.#before;
      this.#phases.set(
        this.#current,
        now.map(({ le, count }, i) => ({ le, count: count - (before[i]?.count ?? 0) })),
      );
    }
    this.#current = phase;
    this.#before = now;
  }

  /** Milliseconds; within the histogram's buckets taken to be even. */
  p99(phase: string): number {
    const buckets = this.#phases.get(phase) ?? [];
    const wanted = (buckets.at(-1)?.count ?? 0) * 0.99;
    let low = { le: 0, count: 0 };
    for (const bucket of buckets) {
      if (bucket.count >= wanted) {
        const part = (wanted - low.count) / Math.max(1, bucket.count - low.count);
        return (low.le + (bucket.le - low.le) * part) * 1000;
      }
      low = bucket;
    }
    return NaN;
  }

  async #read(): Promise<readonly Bucket[]> {
    const text = await (await fetch(`${this.#spillway.adminUrl}/metrics`)).text();
    const found = text.matchAll(/^spillway_log_commit_seconds_bucket\{le="([^"]+)"\} (\d+)$/gm);
    return [...found].map(([, le, count]) => ({
      le: le === '+Inf' ? Infinity : Number(le),
      count: Number(count),
    }));
  }
}

interface Bucket {
  readonly le: number;
  readonly count: number;
}

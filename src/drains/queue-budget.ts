/** Lines that one drain has in memory. */
export interface QueueHolder {
  readonly bytes: number;
  readonly isLive: boolean;
  /** A batch is being read together: what was let go now would have to be read at once again, without end. */
  readonly isFilling: boolean;
  /** Frees what it holds; the log still has it. */
  release(): void;
}

export interface QueueBudgetOptions {
  /** Queued lines of all drains together, in bytes. */
  readonly queuesBytesMax: number;
}

/** A page that is smaller than this costs more in reads than it saves in memory. */
const pageBytesMin = 16 * 1024;

/**
 * The memory of all drains' queues. When it is used up, the largest laggard lets go first: it reads from the log
 * anyway. So that this stays rare, laggards read smaller pages the more of them there are.
 */
export class QueueBudget {
  readonly #options: QueueBudgetOptions;
  readonly #holders = new Set<QueueHolder>();
  #bytes = 0;
  #laggards = 0;

  constructor(options: QueueBudgetOptions) {
    this.#options = options;
  }

  get bytes(): number {
    return this.#bytes;
  }

  join(holder: QueueHolder): void {
    this.#holders.add(holder);
    if (!holder.isLive) this.#laggards++;
  }

  /** The holder holds nothing any more. */
  leave(holder: QueueHolder): void {
    if (this.#holders.delete(holder) && !holder.isLive) this.#laggards--;
  }

  /** A holder became live, or a laggard. */
  turned(holder: QueueHolder): void {
    if (this.#holders.has(holder)) this.#laggards += holder.isLive ? -1 : 1;
  }

  /** A holder has so many bytes more, or fewer. */
  changed(bytes: number): void {
    this.#bytes += bytes;
    while (bytes > 0 && this.#bytes > this.#options.queuesBytesMax) {
      const largest = this.#largest();
      if (!largest) return;
      largest.release();
    }
  }

  /**
   * How much a laggard should read at once, when it may have `bytesMax` and sends `batchBytes` at a time: an eighth of
   * its share, because what waits for long is old by the time it is sent, or a batch, if that is not over half of it. A
   * power of two, so that drains of one app go on asking for the same pages while others turn live.
   */
  pageBytes(bytesMax: number, batchBytes: number): number {
    const share = this.#options.queuesBytesMax / Math.max(1, this.#laggards);
    const rounded = 2 ** Math.floor(Math.log2(Math.max(1, share / 8)));
    return Math.min(bytesMax, Math.max(pageBytesMin, rounded, Math.min(batchBytes, share / 2)));
  }

  #largest(): QueueHolder | undefined {
    let largest: QueueHolder | undefined;
    for (const holder of this.#holders) {
      if (holder.bytes === 0 || holder.isFilling) continue;
      const isWorse = !largest || (largest.isLive && !holder.isLive);
      const isAlike = largest?.isLive === holder.isLive && holder.bytes > largest.bytes;
      if (isWorse || isAlike) largest = holder;
    }
    return largest;
  }
}

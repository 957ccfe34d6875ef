export interface BodyPoolOptions {
  /** Memory that is kept for bodies to come, in bytes. */
  readonly bodyPoolBytesMax: number;
}

/** Few, so that what one drain gives back fits another. */
const sizes = [32 * 1024, 128 * 1024] as const;

/**
 * Memory for the bodies of all drains, used again and again: of their own, thousands of laggards would keep a hundred
 * megabytes for a batch every few seconds; and memory outside the heap that is given up makes the collector of garbage
 * look through all of the heap, in the way of live lines.
 */
export class BodyPool {
  readonly #options: BodyPoolOptions;
  readonly #free = new Map<number, Buffer[]>(sizes.map((size) => [size, []]));
  #bytes = 0;

  constructor(options: BodyPoolOptions) {
    this.#options = options;
  }

  /** At least `bytes`, with anything in them. */
  take(bytes: number): Buffer {
    const size = sizes.find((one) => one >= bytes);
    if (size === undefined) return Buffer.allocUnsafeSlow(bytes);
    const free = this.#free.get(size)?.pop();
    if (free) this.#bytes -= size;
    return free ?? Buffer.allocUnsafeSlow(size);
  }

  /** Takes memory back that came from here, once nobody reads or writes it any more. */
  give(memory: ArrayBuffer): void {
    const free = this.#free.get(memory.byteLength);
    if (!free || this.#bytes + memory.byteLength > this.#options.bodyPoolBytesMax) return;
    this.#bytes += memory.byteLength;
    free.push(Buffer.from(memory));
  }
}

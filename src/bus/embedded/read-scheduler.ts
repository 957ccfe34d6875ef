/**
 * At most so many reads at a time. Node's file pool is first in, first out: without this, catch-up
 * reads of many drains would queue in front of the fsync that acknowledgements wait for.
 */
export class ReadScheduler {
  readonly #readsMax: number;
  #reads = 0;
  readonly #waiting: (() => void)[] = [];

  constructor(options: { readsMax: number }) {
    this.#readsMax = options.readsMax;
  }

  async run<T>(read: () => Promise<T>): Promise<T> {
    if (this.#reads >= this.#readsMax) {
      await new Promise<void>((resolve) => this.#waiting.push(resolve));
    } else {
      this.#reads++;
    }
    try {
      return await read();
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#reads--;
    }
  }
}

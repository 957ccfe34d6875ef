import { decodeBooks, encodeBooks, type Books } from '../../../src/drains/drain-books.ts';

interface Written {
  readonly atMs: number;
  readonly drain: number;
  readonly text: string;
}

/** The checkpoints of one node: what is written survives a kill, what is synced or a second old a power cut. */
export class SimulatedJournal {
  /** While the disk is full, nothing is written. */
  isFull = false;
  readonly #written: Written[] = [];
  /** Drains whose last books found no room. */
  readonly #behind = new Set<number>();
  #synced = 0;

  write(drain: number, books: Books, atMs: number): Promise<void> {
    if (this.isFull) {
      this.#behind.add(drain);
      return Promise.reject(new Error('no space'));
    }
    this.#behind.delete(drain);
    this.#written.push({ atMs, drain, text: JSON.stringify(encodeBooks(books)) });
    return Promise.resolve();
  }

  sync(): void {
    this.#synced = this.#written.length;
  }

  /** What was written after `sinceMs` and not synced is gone. */
  cut(sinceMs: number): void {
    const young = this.#written.findIndex(({ atMs }, i) => i >= this.#synced && atMs > sinceMs);
    if (young >= 0) this.#written.length = young;
  }

  isBehind(drain: number): boolean {
    return this.#behind.has(drain);
  }

  books(drain: number): Books | undefined {
    const last = this.#written.findLast((entry) => entry.drain === drain);
    return last && decodeBooks(JSON.parse(last.text) as ReturnType<typeof encodeBooks>);
  }
}

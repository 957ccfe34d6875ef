import { decodeBooks, encodeBooks, type Books } from '../../../src/drains/drain-books.ts';

interface Written {
  readonly atMs: number;
  readonly drain: number;
  readonly text: string;
}

/** The checkpoints of one node: what is written survives a kill, what is synced or a second old a power cut. */
export class SimulatedJournal {
  readonly #written: Written[] = [];
  #synced = 0;

  write(drain: number, books: Books, atMs: number): void {
    this.#written.push({ atMs, drain, text: JSON.stringify(encodeBooks(books)) });
  }

  sync(): void {
    this.#synced = this.#written.length;
  }

  /** What was written after `sinceMs` and not synced is gone. */
  cut(sinceMs: number): void {
    const young = this.#written.findIndex(({ atMs }, i) => i >= this.#synced && atMs > sinceMs);
    if (young >= 0) this.#written.length = young;
  }

  books(drain: number): Books | undefined {
    const last = this.#written.findLast((entry) => entry.drain === drain);
    return last && decodeBooks(JSON.parse(last.text) as ReturnType<typeof encodeBooks>);
  }
}

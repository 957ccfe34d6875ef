import type { DrainId } from '../core/ids.ts';
import type { Logger } from '../core/logger.ts';
import type { Books } from './drain-books.ts';
import type { BooksHolder } from './drain-notices.ts';

export interface KeptBooksParts {
  /** Writes the drain's checkpoint entry; survives `kill -9` once it resolves. */
  readonly checkpoint: (books: Books | null) => Promise<void>;
  readonly logger: Logger;
}

/** The books of one drain as they stand, and their checkpoint. */
export class KeptBooks implements BooksHolder {
  readonly #id: DrainId;
  readonly #parts: KeptBooksParts;
  #books: Books;
  /** The checkpoint is behind the books: there was no room for it. */
  #isBehind = false;
  #isClosed = false;

  constructor(id: DrainId, parts: KeptBooksParts, books: Books) {
    this.#id = id;
    this.#parts = parts;
    this.#books = books;
  }

  get books(): Books {
    return this.#books;
  }

  /** Changes the books in one step and writes them. */
  change(step: (books: Books) => Books): Promise<void> {
    this.#books = step(this.#books);
    return this.#parts.checkpoint(this.#books);
  }

  /** What changes is written with the next checkpoint. */
  set(books: Books): void {
    this.#books = books;
  }

  /**
   * Without room for a checkpoint the lines go on nevertheless: a crash before there is room again sends them once
   * more, and may cut them into other batches.
   */
  async save(books: Books): Promise<void> {
    this.#books = books;
    if (this.#isClosed) return;
    try {
      await this.#parts.checkpoint(books);
      this.#isBehind = false;
    } catch (error) {
      const level = this.#isBehind ? 'debug' : 'warn';
      this.#parts.logger[level]({ drainId: this.#id, err: error }, 'drain.checkpoint_failed');
      this.#isBehind = true;
    }
  }

  /** The drain is gone, and its entry with it. */
  close(): Promise<void> {
    this.#isClosed = true;
    return this.#parts.checkpoint(null);
  }
}

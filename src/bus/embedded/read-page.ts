import type { Page, StoredRecord } from '../bus.ts';

/** What was read for a page: it is made of it once, for all who asked for it, when the first of them takes it. */
export class ReadPage {
  readonly bytes: number;
  readonly #page: Omit<Page, 'records'>;
  readonly #records: () => readonly StoredRecord[];
  #made: Page | undefined;

  constructor(page: Omit<Page, 'records'>, bytes: number, records: () => readonly StoredRecord[]) {
    this.#page = page;
    this.bytes = bytes;
    this.#records = records;
  }

  get page(): Page {
    this.#made ??= { ...this.#page, records: this.#records() };
    return this.#made;
  }

  /** Nothing that was durable at or after the app's record at `offset` is missing behind it. */
  reaches(offset: number): boolean {
    const { atHead, next } = this.#page;
    return !atHead || (next.previous?.offset ?? -1) >= offset;
  }
}

import { KeyTable } from './key-table.ts';
import type { LogRequest } from './log-request.ts';

const staleKeysMax = 65_536;

/**
 * The requests that are on their way into the log, by request key. A `Map` would do the same, but with tens of
 * thousands of requests a second its old tables keep their garbage alive (see {@link RequestList}): a third of all
 * the time went there. So keys lead to places in an array; a place that has another request by now is no match.
 */
export class FirstCopies {
  readonly #places: (LogRequest | undefined)[] = [];
  readonly #free: number[] = [];
  #table = new KeyTable();

  get(key: Buffer): LogRequest | undefined {
    const place = this.#table.get(key);
    const request = place === 0 ? undefined : this.#places[place - 1];
    return request?.content?.key?.equals(key) ? request : undefined;
  }

  add(key: Buffer, request: LogRequest): void {
    if (this.#table.size >= staleKeysMax) this.#forgetStale();
    const place = this.#free.pop() ?? this.#places.length + 1;
    this.#places[place - 1] = request;
    request.place = place;
    this.#table.set(key, place);
  }

  /** False when it was not there. */
  delete(request: LogRequest): boolean {
    const { place } = request;
    if (place === 0) return false;
    this.#places[place - 1] = undefined;
    this.#free.push(place);
    request.place = 0;
    return true;
  }

  #forgetStale(): void {
    this.#table = new KeyTable();
    for (const request of this.#places) {
      if (request?.content?.key) this.#table.set(request.content.key, request.place);
    }
  }
}

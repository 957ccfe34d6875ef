import type { LogRequest } from './log-request.ts';

/**
 * Open requests, oldest first; linked through the requests themselves. A `Set` would do the same, but its tables,
 * once they are old, keep the garbage of thousands of requests alive until the next full collection.
 */
export class RequestList {
  #first: LogRequest | undefined;
  #last: LogRequest | undefined;

  get isEmpty(): boolean {
    return this.#first === undefined;
  }

  add(request: LogRequest): void {
    request.older = this.#last;
    request.isListed = true;
    if (this.#last) this.#last.newer = request;
    else this.#first = request;
    this.#last = request;
  }

  /** Without effect when it is not there. The links are cut, for the same reason. */
  delete(request: LogRequest): void {
    if (!request.isListed) return;
    const { older, newer } = request;
    if (older) older.newer = newer;
    else this.#first = newer;
    if (newer) newer.older = older;
    else this.#last = older;
    request.older = request.newer = undefined;
    request.isListed = false;
  }

  /** Visits those that are there now; any of them may leave meanwhile. */
  forEach(visit: (request: LogRequest) => void): void {
    const requests: LogRequest[] = [];
    for (let at = this.#first; at; at = at.newer) requests.push(at);
    for (const request of requests) if (request.isListed) visit(request);
  }
}

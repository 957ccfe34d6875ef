import type { LoopRest } from './loop-rest.ts';

export interface LoopShareOptions {
  /** What is handed out in one turn. */
  readonly turnBytesMax: number;
}

export interface LoopShareParts {
  /** What is between two turns while many wait; else a turn is one of the event loop. */
  readonly rest?: LoopRest;
  /** Fewer wait than before. */
  readonly released?: () => void;
}

interface Waiting {
  readonly bytes: number;
  /** What is left of them to wait for. */
  bytesLeft: number;
  /** Gone once called: old tables of the Set may go on holding what waited until a full collection. */
  resolve?: (() => void) | undefined;
}

/** What brings a piece nearer to its turn each time round: who asks for more waits longer. */
const quantumBytes = 16 * 1024;
/** So many that wait are a crowd. */
const crowdMin = 8;

/**
 * How much of the event loop bulk work may have. Each piece keeps its owner busy until it is sent on: where a
 * thousand of them came in one turn, live lines and the answers of the disk would wait for all of that.
 */
export class LoopShare {
  readonly #options: LoopShareOptions;
  readonly #parts: LoopShareParts;
  readonly #waiting = new Set<Waiting>();
  #waitingBytes = 0;
  #givenBytes = 0;
  #isTurn = false;

  constructor(options: LoopShareOptions, parts: LoopShareParts = {}) {
    this.#options = options;
    this.#parts = parts;
  }

  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /**
   * Resolves in the turn that has room for it, fairly by bytes (deficit round robin), else in the order of asking;
   * whatever its size, each turn takes one. Resolves at once when `signal` aborts.
   */
  take(bytes: number, signal?: AbortSignal): Promise<void> {
    if (signal?.aborted) return Promise.resolve();
    if (this.#waiting.size === 0 && this.#givenBytes < this.#options.turnBytesMax) {
      this.#give(bytes);
      return Promise.resolve();
    }
    const { promise, resolve } = Promise.withResolvers<undefined>();
    const waiting: Waiting = { bytes, bytesLeft: bytes, resolve: () => resolve(undefined) };
    this.#waiting.add(waiting);
    this.#waitingBytes += bytes;
    if (!signal) return promise;
    const abort = (): void => this.#release(waiting);
    signal.addEventListener('abort', abort, { once: true });
    return promise.finally(() => signal.removeEventListener('abort', abort));
  }

  #give(bytes: number): void {
    this.#givenBytes += bytes;
    if (this.#isTurn) return;
    this.#isTurn = true;
    setImmediate(() => this.#endTurn());
  }

  /** A few take their turns between those of others; many are a crowd, which would leave no room between its own. */
  #endTurn(): void {
    const { rest } = this.#parts;
    if (rest && this.#waiting.size >= crowdMin) rest(() => this.#nextTurn());
    else this.#nextTurn();
  }

  #nextTurn(): void {
    this.#isTurn = false;
    this.#givenBytes = 0;
    for (const waiting of this.#waiting) {
      if (this.#givenBytes >= this.#options.turnBytesMax) return;
      if (waiting.bytesLeft > quantumBytes) {
        waiting.bytesLeft -= quantumBytes;
        // To the end of the line, which this loop comes to again.
        this.#waiting.delete(waiting);
        this.#waiting.add(waiting);
        continue;
      }
      this.#give(waiting.bytes);
      this.#release(waiting);
    }
  }

  #release(waiting: Waiting): void {
    if (!this.#waiting.delete(waiting)) return;
    this.#waitingBytes -= waiting.bytes;
    waiting.resolve?.();
    waiting.resolve = undefined;
    this.#parts.released?.();
  }
}

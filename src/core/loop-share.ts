import type { Clock } from './clock.ts';

export interface LoopShareOptions {
  /** What is handed out in one turn of the event loop. */
  readonly turnBytesMax: number;
  /** How long nothing is handed out after a turn, in lengths of that turn: 1 leaves half of the time to others. */
  readonly restTurns: number;
}

export interface LoopShareParts {
  readonly clock: Pick<Clock, 'monotonicMs' | 'after'>;
  /** Fewer wait than before. */
  readonly released?: () => void;
}

interface Waiting {
  readonly bytes: number;
  /** What is left of them to wait for. */
  bytesLeft: number;
  readonly resolve: () => void;
}

/** What brings a piece nearer to its turn each time round: who asks for more waits longer. */
const quantumBytes = 16 * 1024;

/**
 * How much of the event loop bulk work may have. Each piece keeps its owner busy until it is sent on: where a
 * thousand of them came in one turn, live lines and the answers of the disk would wait for all of that.
 *
 * ```
 * turn: pieces of turnBytesMax ─► whatever else the loop has to do ─► rest, restTurns times as long ─► turn
 * ```
 */
export class LoopShare {
  readonly #options: LoopShareOptions;
  readonly #parts: LoopShareParts;
  readonly #waiting = new Set<Waiting>();
  #waitingBytes = 0;
  #givenBytes = 0;
  #turnFromMs: number | undefined;
  #owedRestMs = 0;

  constructor(options: LoopShareOptions, parts: LoopShareParts) {
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
    const waiting = { bytes, bytesLeft: bytes, resolve: () => resolve(undefined) };
    this.#waiting.add(waiting);
    this.#waitingBytes += bytes;
    if (!signal) return promise;
    const abort = (): void => this.#release(waiting);
    signal.addEventListener('abort', abort, { once: true });
    return promise.finally(() => signal.removeEventListener('abort', abort));
  }

  #give(bytes: number): void {
    this.#givenBytes += bytes;
    if (this.#turnFromMs !== undefined) return;
    this.#turnFromMs = this.#parts.clock.monotonicMs();
    setImmediate(() => this.#endTurn());
  }

  /** Rests are as short as timers allow: what is less is kept for the next. */
  #endTurn(): void {
    const { clock } = this.#parts;
    const turnMs = Math.min(clock.monotonicMs() - (this.#turnFromMs ?? 0), turnMsMax);
    this.#owedRestMs += turnMs * this.#options.restTurns;
    if (this.#owedRestMs < timerMsMin) return this.#nextTurn();
    const restMs = this.#owedRestMs;
    this.#owedRestMs = 0;
    clock.after(restMs, () => this.#nextTurn());
  }

  #nextTurn(): void {
    this.#turnFromMs = undefined;
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
    waiting.resolve();
    this.#parts.released?.();
  }
}

const timerMsMin = 1;
/** What lasted longer was no work: the process or its machine was stopped meanwhile. */
const turnMsMax = 100;

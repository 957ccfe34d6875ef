import type { Logger } from '../../core/logger.ts';
import type { DrainId } from '../../core/ids.ts';
import { newBooks, type Books, type Outcome } from '../drain-books.ts';
import type { LastError } from '../delivery-pace.ts';
import type { DrainWorker } from '../drain-worker.ts';
import type { ReplayRun } from './replay-run.ts';

export interface DrainReplayParts {
  readonly makeWorker: (
    run: ReplayRun,
    checkpoint: (books: Books | null) => Promise<void>,
  ) => DrainWorker;
  /** Null when it is over. */
  readonly save: (run: ReplayRun | null) => Promise<void>;
  readonly logger: Logger;
}

export interface ReplayStatus {
  /** `failed`: its receiver took nothing for too long. */
  readonly state: 'running' | 'resting' | 'finished' | 'stopped' | 'failed';
  readonly startedAtMs: number;
  /** Lines that it has dealt with, by the end that they came to this time. */
  readonly messages: Readonly<Record<Outcome, number>>;
  /** Lines between here and its end. */
  readonly remainingMessages: number;
  readonly lastError: LastError | undefined;
  readonly nextAttemptMs: number | undefined;
}

/**
 * Sends lines again that a drain has passed: a second worker beside the live one, with a connection, Frame-Ids and
 * books of its own, so that the order of lines is given up and the drain's books know nothing of it.
 */
export class DrainReplay {
  readonly #drain: DrainId;
  readonly #parts: DrainReplayParts;
  #run: ReplayRun;
  #worker: DrainWorker | undefined;
  #state: ReplayStatus['state'] = 'resting';
  #ending: Promise<void> | undefined;

  constructor(drain: DrainId, run: ReplayRun, parts: DrainReplayParts) {
    this.#drain = drain;
    this.#run = run;
    this.#parts = parts;
  }

  get isOver(): boolean {
    return this.#state !== 'running' && this.#state !== 'resting';
  }

  get status(): ReplayStatus {
    const { books, end, startedAtMs } = this.#run;
    const condition = this.#worker?.condition;
    return {
      state: this.#state,
      startedAtMs,
      messages: books.counts,
      remainingMessages: Math.max(0, end.seq - books.cursor.seq),
      lastError: condition?.lastError,
      nextAttemptMs: condition?.nextAttemptMs,
    };
  }

  start(): void {
    if (this.isOver || this.#worker) return;
    this.#state = 'running';
    this.#worker = this.#parts.makeWorker(this.#run, (books) => this.#checkpoint(books));
    this.#worker.start();
    this.#look();
  }

  /** Lets go of everything but its place. */
  async rest(signal: AbortSignal): Promise<void> {
    await this.#ending;
    const worker = this.#worker;
    if (!worker) return;
    await worker.close(signal);
    this.#worker = undefined;
    if (!this.isOver) this.#state = 'resting';
  }

  /** Ends it before its time. */
  async stop(): Promise<void> {
    this.#end('stopped');
    await this.#ending;
  }

  async #checkpoint(books: Books | null): Promise<void> {
    if (!books || this.isOver) return;
    this.#run = { ...this.#run, books };
    this.#look();
    if (!this.isOver) await this.#parts.save(this.#run);
  }

  #look(): void {
    const { books, end } = this.#run;
    if (books.isDisabled) this.#end('failed');
    else if (books.cursor.seq >= end.seq) this.#end('finished');
  }

  /** Not awaited by the worker, which it closes. */
  #end(state: 'finished' | 'stopped' | 'failed'): void {
    if (this.isOver) return;
    this.#state = state;
    this.#parts.logger.info({ drainId: this.#drain, state }, 'drain.replay_ended');
    this.#ending = this.#close().catch((error: unknown) => {
      this.#parts.logger.error({ drainId: this.#drain, err: error }, 'drain.replay_end_failed');
    });
  }

  async #close(): Promise<void> {
    await this.#worker?.close(AbortSignal.abort());
    this.#worker = undefined;
    await this.#parts.save(null);
  }
}

/** A replay of the lines from one place to another. */
export function newRun(
  id: string,
  nowMs: number,
  { from, end }: Record<'from' | 'end', ReplayRun['end']>,
): ReplayRun {
  return { id, startedAtMs: nowMs, end, books: newBooks(from, nowMs) };
}

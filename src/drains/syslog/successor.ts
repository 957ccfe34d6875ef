import type { Clock } from '../../core/clock.ts';
import type { SyslogConnection } from './syslog-connection.ts';

export interface SuccessorOptions {
  /** After a connection could not be opened beside the old one. */
  readonly renewRetryMs: number;
}

export interface SuccessorParts {
  readonly clock: Clock;
  /** Undefined when it cannot be opened now. */
  readonly open: (signal: AbortSignal) => Promise<SyslogConnection | undefined>;
}

/** The connection that is to follow one that grows old, opened while that one goes on carrying lines. */
export class Successor {
  readonly #options: SuccessorOptions;
  readonly #parts: SuccessorParts;
  #connection: SyslogConnection | undefined;
  #dialling: AbortController | undefined;
  #notBeforeMs = -Infinity;

  constructor(options: SuccessorOptions, parts: SuccessorParts) {
    this.#options = options;
    this.#parts = parts;
  }

  get isReady(): boolean {
    return this.#connection?.isOver === false;
  }

  /** Begins to open it, unless that is under way, done, or has just failed. Never waits. */
  prepare(): void {
    const nowMs = this.#parts.clock.monotonicMs();
    if (this.isReady || this.#dialling || nowMs < this.#notBeforeMs) return;
    this.#notBeforeMs = nowMs + this.#options.renewRetryMs;
    void this.#dial(new AbortController());
  }

  take(): SyslogConnection | undefined {
    const connection = this.isReady ? this.#connection : undefined;
    this.#connection = undefined;
    return connection;
  }

  close(): void {
    this.#dialling?.abort();
    this.#dialling = undefined;
    this.take()?.destroy();
  }

  async #dial(dialling: AbortController): Promise<void> {
    this.#dialling = dialling;
    const connection = await this.#parts.open(dialling.signal);
    if (this.#dialling !== dialling) return connection?.destroy();
    this.#dialling = undefined;
    this.#connection = connection;
  }
}

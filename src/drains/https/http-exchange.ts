import type { Socket } from 'node:net';
import type { Dispatcher } from 'undici';
import type { Clock } from '../../core/clock.ts';
import { DialError } from '../egress/dial-failure.ts';

export interface HttpExchangeOptions {
  readonly responseBytesMax: number;
  /** How long a body may take once the status is known. */
  readonly responseBodyMsMax: number;
  /** The body is wanted, and not only read to the end. */
  readonly keepBody?: boolean;
}

export interface HttpExchangeParts {
  readonly clock: Clock;
  /** The connection in use; undefined while there is none. */
  readonly socket: () => Socket | undefined;
}

export type HttpAnswer =
  | {
      readonly kind: 'answered';
      readonly status: number;
      readonly retryAfter: string | undefined;
      /** Undefined when it was not wanted, or did not come whole. */
      readonly body?: Buffer;
    }
  | { readonly kind: 'failed'; readonly error: unknown };

const writeReportMs = 20;

/**
 * One request and its answer. The status alone decides: the body is read only so that the connection can be used
 * again, and for receivers that say there what they did not want. A body that is too long or too slow ends the
 * connection, not the verdict.
 */
export class HttpExchange implements Dispatcher.DispatchHandler {
  readonly answer: Promise<HttpAnswer>;
  readonly #options: HttpExchangeOptions;
  readonly #parts: HttpExchangeParts;
  readonly #resolve: (answer: HttpAnswer) => void;
  #controller: Dispatcher.DispatchController | undefined;
  #answered: (HttpAnswer & { kind: 'answered' }) | undefined;
  /** The answer came before the whole request was out. */
  #isEarly = false;
  #isSettled = false;
  #bodyBytes = 0;
  readonly #body: Buffer[] = [];
  #cancelTimer = (): void => {};

  constructor(options: HttpExchangeOptions, parts: HttpExchangeParts) {
    this.#options = options;
    this.#parts = parts;
    const { promise, resolve } = Promise.withResolvers<HttpAnswer>();
    this.answer = promise;
    this.#resolve = resolve;
  }

  /** Ends the exchange, and its connection, where it is. */
  abort(error: Error): void {
    this.#settle({ kind: 'failed', error });
    this.#controller?.abort(error);
  }

  /** More has come in than an answer may have, in whatever form: the connection ends. */
  flooded(): void {
    this.#cut();
  }

  onRequestStart(controller: Dispatcher.DispatchController): void {
    this.#controller = controller;
    if (this.#isSettled) controller.abort(new Error('given up before it began'));
  }

  onResponseStart(
    _controller: Dispatcher.DispatchController,
    status: number,
    headers: Readonly<Record<string, string | string[] | undefined>>,
  ): void {
    if (status < 200 || this.#answered) return;
    const retryAfter = headers['retry-after'];
    this.#answered = {
      kind: 'answered',
      status,
      retryAfter: typeof retryAfter === 'string' ? retryAfter : retryAfter?.[0],
    };
    this.#isEarly = this.#hasUnsent();
    this.#cancelTimer = this.#parts.clock.after(this.#options.responseBodyMsMax, () => this.#cut());
  }

  onResponseData(_controller: Dispatcher.DispatchController, chunk: Buffer): void {
    this.#bodyBytes += chunk.length;
    if (this.#bodyBytes > this.#options.responseBytesMax) this.#cut();
    else if (this.#options.keepBody === true) this.#body.push(Buffer.from(chunk));
  }

  onResponseEnd(): void {
    if (!this.#hasUnsent()) return this.#finish();
    // Node tells that a write is done a moment after the kernel took it, and an answer can overtake that.
    this.#cancelTimer();
    this.#cancelTimer = this.#parts.clock.after(writeReportMs, () => {
      // The rest of the request must not go out any more: its buffer is about to be used for something else.
      if (this.#hasUnsent() && this.#parts.socket()?.destroyed === false) this.#cut();
      else this.#finish();
    });
  }

  onResponseError(_controller: Dispatcher.DispatchController, error: Error): void {
    this.#settle(this.#verdict() ?? { kind: 'failed', error });
  }

  #finish(): void {
    if (!this.#answered) return;
    const { keepBody } = this.#options;
    this.#settle(
      keepBody === true ? { ...this.#answered, body: Buffer.concat(this.#body) } : this.#answered,
    );
  }

  #cut(): void {
    const error = new DialError({ reason: 'protocol' });
    this.#settle(this.#verdict() ?? { kind: 'failed', error });
    this.#parts.socket()?.destroy();
  }

  #hasUnsent(): boolean {
    return (this.#parts.socket()?.writableLength ?? 0) > 0;
  }

  /** A success that was announced before the receiver can have seen the whole batch is none if the connection breaks. */
  #verdict(): HttpAnswer | undefined {
    return this.#isEarly && (this.#answered?.status ?? 0) < 300 ? undefined : this.#answered;
  }

  #settle(answer: HttpAnswer): void {
    this.#isSettled = true;
    this.#cancelTimer();
    this.#resolve(answer);
  }
}

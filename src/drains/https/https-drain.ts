import type { Socket } from 'node:net';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { Client, type buildConnector } from 'undici';
import type { Clock } from '../../core/clock.ts';
import type { Batch, Delivery, Drain } from '../drain.ts';
import { classifySocketError, DialError } from '../egress/dial-failure.ts';
import { dialTls, type DialTarget, type EgressDialer } from '../egress/egress-dialer.ts';
import { contentTypeOf } from '../formats/content-type.ts';
import { outcomeOf } from '../outcome.ts';
import type { DrainOptions } from '../url/drain-options.ts';
import type { DrainTarget } from '../url/drain-url.ts';
import { fixedHeaders, type HeaderOptions } from './fixed-headers.ts';
import { HttpExchange, type HttpAnswer, type HttpExchangeOptions } from './http-exchange.ts';
import { rejectedRecords } from './partial-success.ts';
import type { RetryAfterLimits } from './retry-after.ts';

export interface HttpsDrainOptions extends Omit<HttpExchangeOptions, 'keepBody'>, RetryAfterLimits {
  /** `Logplex/spillway-<version>`. */
  readonly userAgent: string;
  /** For everything: look-up, connection, handshake, request and answer. */
  readonly deliverMsMax: number;
  /** Older connections are not used again, so that changes of the name apply. */
  readonly connectionMsMax: number;
  /** How long an unused connection stays open where the receiver does not say. */
  readonly idleMsMax: number;
  readonly responseHeaderBytesMax: number;
}

export interface HttpsDrainParts {
  readonly dialer: Pick<EgressDialer, 'connect'>;
  readonly clock: Clock;
}

export interface HttpsDrainPlan {
  readonly target: DrainTarget;
  readonly token: string;
  readonly options: HeaderOptions & Pick<DrainOptions, 'insecure' | 'sni' | 'identity'>;
}

/** Posts each batch as one request, in logplex's manner, over one connection that is kept. */
export class HttpsDrain implements Drain {
  readonly #options: HttpsDrainOptions;
  readonly #parts: HttpsDrainParts;
  readonly #plan: HttpsDrainPlan;
  readonly #contentType: string;
  readonly #headers: readonly string[];
  #client: Client | undefined;
  #connection: Connection | undefined;
  #exchanging: HttpExchange | undefined;
  /** The exchange under way has had its connection: undici would go on opening others, at once and without end. */
  #hasDialled = false;
  /** Why it did not come about; undici may tell that to a request that was given up and not to this one. */
  #dialError: DialError | undefined;
  /** Of the delivery under way: ends a connection that is being opened for it. */
  #dialLimit = new AbortController();

  constructor(options: HttpsDrainOptions, parts: HttpsDrainParts, plan: HttpsDrainPlan) {
    this.#options = options;
    this.#parts = parts;
    this.#plan = plan;
    this.#contentType = contentTypeOf(plan.options);
    this.#headers = fixedHeaders(plan, { ...options, contentType: this.#contentType });
  }

  async deliver(batch: Batch, signal: AbortSignal): Promise<Delivery> {
    const body = this.#plan.options.gzip ? await compress(batch.body) : batch.body;
    const limit = new AbortController();
    const abort = (): void => limit.abort(new DialError({ reason: 'closed' }));
    const cancelTimer = this.#parts.clock.after(this.#options.deliverMsMax, () =>
      limit.abort(new DialError({ reason: 'timeout' })),
    );
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    try {
      return await this.#deliver({ ...batch, body }, limit.signal);
    } finally {
      cancelTimer();
      signal.removeEventListener('abort', abort);
    }
  }

  async close(): Promise<void> {
    const client = this.#client;
    this.#client = undefined;
    this.#dialLimit.abort();
    await client?.destroy();
  }

  async #deliver(batch: Batch, limit: AbortSignal): Promise<Delivery> {
    this.#retire();
    const wasUsed = this.#connection?.isUsed === true;
    const delivery = await this.#exchange(batch, limit);
    // The receiver closed a kept connection just when we used it: that says nothing about the receiver.
    const isStale = wasUsed && delivery.kind === 'retry' && delivery.reason === 'closed';
    return isStale && !limit.aborted ? await this.#exchange(batch, limit) : delivery;
  }

  async #exchange(batch: Batch, limit: AbortSignal): Promise<Delivery> {
    const exchange = new HttpExchange(
      { ...this.#options, keepBody: isOtlp(batch.contentType ?? this.#contentType) },
      { clock: this.#parts.clock, socket: () => this.#connection?.socket },
    );
    this.#exchanging = exchange;
    this.#hasDialled = false;
    this.#dialError = undefined;
    if (this.#connection) this.#connection.readBytesMax = this.#readBytesMax(this.#connection);
    const dialLimit = new AbortController();
    this.#dialLimit = dialLimit;
    const abort = (): void => {
      exchange.abort(limit.reason as Error);
      dialLimit.abort();
    };
    limit.addEventListener('abort', abort, { once: true });
    if (limit.aborted) abort();
    else this.#dispatch(batch, exchange);
    const answer = await exchange.answer;
    limit.removeEventListener('abort', abort);
    // It leads to the request and to its body, which would stay until the next one, however long that takes.
    this.#exchanging = undefined;
    if (answer.kind === 'answered' && this.#connection) this.#connection.isUsed = true;
    return this.#outcome(answer.kind === 'failed' ? this.#firstError(answer) : answer);
  }

  #outcome(answer: HttpAnswer): Delivery {
    const delivery = outcomeOf(answer, this.#options, this.#parts.clock.nowMs());
    return delivery.kind === 'delivered' && answer.kind === 'answered' && answer.body
      ? { kind: 'delivered', rejected: rejectedRecords(answer.body) }
      : delivery;
  }

  /** undici tells the last error of a connection; a TLS alert is followed by an end that says nothing. */
  #firstError(answer: HttpAnswer & { kind: 'failed' }): HttpAnswer {
    const error = this.#connection?.error;
    return error === undefined || answer.error instanceof DialError ? answer : { ...answer, error };
  }

  #dispatch(batch: Batch, exchange: HttpExchange): void {
    this.#client ??= this.#createClient();
    const headers = [
      ...this.#headersOf(batch),
      'Logplex-Msg-Count',
      String(batch.messages),
      'Logplex-Frame-Id',
      batch.id,
    ];
    const { path } = this.#plan.target;
    this.#client.dispatch({ method: 'POST', path, headers, body: batch.body }, exchange);
  }

  /** The same for every batch, but for those that were cut before the owner changed the format. */
  #headersOf({ contentType = this.#contentType }: Batch): readonly string[] {
    const { userAgent } = this.#options;
    return contentType === this.#contentType
      ? this.#headers
      : fixedHeaders(this.#plan, { userAgent, contentType });
  }

  #createClient(): Client {
    const { host, port, tls } = this.#plan.target;
    const authority = host.includes(':') ? `[${host}]` : host;
    return new Client(`${tls ? 'https' : 'http'}://${authority}:${port}`, {
      pipelining: 1,
      connect: (_options, callback) => this.#connect(callback),
      // The delivery has one limit for everything.
      headersTimeout: 0,
      bodyTimeout: 0,
      keepAliveTimeout: this.#options.idleMsMax,
      maxHeaderSize: this.#options.responseHeaderBytesMax,
    });
  }

  #connect(callback: buildConnector.Callback): void {
    const { clock, dialer } = this.#parts;
    if (this.#hasDialled) {
      // Errors of other classes, undici may take as a reason to try once more.
      const error = this.#dialError ?? new DialError(classifySocketError(this.#connection?.error));
      return void setImmediate(() => callback(error, null));
    }
    this.#hasDialled = true;
    void dialer.connect(dialTarget(this.#plan), this.#dialLimit.signal).then((result) => {
      if (!result.ok) {
        this.#dialError = new DialError(result.failure);
        return callback(this.#dialError, null);
      }
      const { stream } = result.dialled;
      const connection: Connection = {
        socket: stream,
        sinceMs: clock.monotonicMs(),
        isUsed: false,
        error: undefined,
        readBytesMax: 0,
      };
      connection.readBytesMax = this.#readBytesMax(connection);
      stream.once('error', (error) => (connection.error = error));
      stream.on('readable', () => this.#look(connection));
      this.#connection = connection;
      return callback(null, stream);
    });
  }

  #readBytesMax({ socket }: Pick<Connection, 'socket'>): number {
    const { responseHeaderBytesMax, responseBytesMax } = this.#options;
    return socket.bytesRead + responseHeaderBytesMax + responseBytesMax;
  }

  /**
   * The parser bounds headers and we bound the body; empty lines, informational answers, chunk extensions and what
   * comes unasked are neither, and would keep this process busy as fast as they can be sent.
   */
  #look(connection: Connection): void {
    if (connection.socket.bytesRead <= connection.readBytesMax) return;
    if (this.#connection === connection) this.#exchanging?.flooded();
    connection.socket.destroy();
  }

  /** Nothing is in flight between deliveries, so an old connection can go without loss. */
  #retire(): void {
    const sinceMs = this.#connection?.sinceMs ?? Infinity;
    if (this.#parts.clock.monotonicMs() - sinceMs < this.#options.connectionMsMax) return;
    void this.#client?.destroy();
    this.#client = undefined;
    this.#connection = undefined;
  }
}

interface Connection {
  readonly socket: Socket;
  readonly sinceMs: number;
  isUsed: boolean;
  /** The first that it had. */
  error: Error | undefined;
  /** What may have been read when the answer under way is whole. */
  readBytesMax: number;
}

/** Only there the body of an answer says something. */
function isOtlp(contentType: string): boolean {
  return contentType === contentTypeOf({ format: 'otlp', framing: 'octet' });
}

const compress = promisify<Buffer, Buffer>(gzip);

function dialTarget({ target, options }: HttpsDrainPlan): DialTarget {
  const { host, port } = target;
  if (!target.tls) return { host, port, tls: undefined, plainHttp: true };
  return { host, port, tls: { ...dialTls(options), alpn: ['http/1.1'] } };
}

import type { Socket } from 'node:net';
import { promisify } from 'node:util';
import { gzip } from 'node:zlib';
import { Pool, type buildConnector } from 'undici';
import type { Clock } from '../../core/clock.ts';
import type { Batch, Delivery, Drain } from '../drain.ts';
import { DialError } from '../egress/dial-failure.ts';
import { dialTls, type DialTarget, type EgressDialer } from '../egress/egress-dialer.ts';
import { contentTypeOf } from '../formats/content-type.ts';
import type { DrainOptions } from '../url/drain-options.ts';
import type { DrainTarget } from '../url/drain-url.ts';
import { classifyError } from './classify-error.ts';
import { classifyResponse } from './classify-response.ts';
import { fixedHeaders, type HeaderOptions } from './fixed-headers.ts';
import { HttpExchange, type HttpAnswer, type HttpExchangeOptions } from './http-exchange.ts';
import { rejectedRecords } from './partial-success.ts';

export interface HttpsDrainOptions extends Omit<HttpExchangeOptions, 'keepBody'> {
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
  #pool: Pool | undefined;
  #connection: Connection | undefined;
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
    const pool = this.#pool;
    this.#pool = undefined;
    this.#dialLimit.abort();
    await pool?.destroy();
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
    if (answer.kind === 'failed') return classifyError(answer.error);
    if (this.#connection) this.#connection.isUsed = true;
    return this.#classify(answer);
  }

  #classify({ status, retryAfter, body }: HttpAnswer & { kind: 'answered' }): Delivery {
    const delivery = classifyResponse(status, retryAfter, this.#parts.clock.nowMs());
    return delivery.kind === 'delivered' && body
      ? { kind: 'delivered', rejected: rejectedRecords(body) }
      : delivery;
  }

  #dispatch(batch: Batch, exchange: HttpExchange): void {
    this.#pool ??= this.#createPool();
    const headers = [
      ...this.#headersOf(batch),
      'Logplex-Msg-Count',
      String(batch.messages),
      'Logplex-Frame-Id',
      batch.id,
    ];
    const { path } = this.#plan.target;
    this.#pool.dispatch({ method: 'POST', path, headers, body: batch.body }, exchange);
  }

  /** The same for every batch, but for those that were cut before the owner changed the format. */
  #headersOf({ contentType = this.#contentType }: Batch): readonly string[] {
    const { userAgent } = this.#options;
    return contentType === this.#contentType
      ? this.#headers
      : fixedHeaders(this.#plan, { userAgent, contentType });
  }

  #createPool(): Pool {
    const { host, port, tls } = this.#plan.target;
    const authority = host.includes(':') ? `[${host}]` : host;
    return new Pool(`${tls ? 'https' : 'http'}://${authority}:${port}`, {
      connections: 1,
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
    void dialer.connect(dialTarget(this.#plan), this.#dialLimit.signal).then((result) => {
      if (!result.ok) return callback(new DialError(result.failure), null);
      const { stream } = result.dialled;
      this.#connection = { socket: stream, sinceMs: clock.monotonicMs(), isUsed: false };
      return callback(null, stream);
    });
  }

  /** Nothing is in flight between deliveries, so an old connection can go without loss. */
  #retire(): void {
    const sinceMs = this.#connection?.sinceMs ?? Infinity;
    if (this.#parts.clock.monotonicMs() - sinceMs < this.#options.connectionMsMax) return;
    void this.#pool?.destroy();
    this.#pool = undefined;
    this.#connection = undefined;
  }
}

interface Connection {
  readonly socket: Socket;
  readonly sinceMs: number;
  isUsed: boolean;
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

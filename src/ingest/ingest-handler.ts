import type { IncomingMessage, ServerResponse } from 'node:http';
import type { LogBus } from '../bus/bus.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import { rejectedTotal } from '../core/record.ts';
import type { Answer, RequestOutcome } from './answers.ts';
import type { FairShare } from './fair-share.ts';
import type { Inflater } from './inflater.ts';
import type { IngestMetrics } from './ingest-metrics.ts';
import { LogRequest } from './log-request.ts';
import { RequestAdmission, type AdmissionDesk } from './request-admission.ts';
import { RequestBody, type BodyDesk } from './request-body.ts';
import type { RateLimiter } from './rate-limiter.ts';
import type { Repeats } from './repeats.ts';
import { readHead } from './request-head.ts';
import { noneRejected, type Intake } from './request-intake.ts';
import { RequestList } from './request-list.ts';
import { RequestStore, type RequestDesk } from './request-store.ts';
import { RequestWriter } from './request-writer.ts';
import type { TokenCache } from './token-cache.ts';

export interface IngestHandlerOptions {
  /** From a request's start; log-shuttle gives up after five seconds. */
  readonly holdMsMax: number;
  /** From the start of reading the body. */
  readonly bodyMsMax: number;
  /** As sent, and inflated. */
  readonly bodyBytesMax: number;
  /** Bodies being read, held or made durable, of all apps; one app gets an eighth. */
  readonly bytesInFlightMax: number;
  /** Texts that are longer are cut. */
  readonly messageBytesMax: number;
  readonly headersMax: number;
  /** What senders other than log-shuttle are told to wait. */
  readonly retryAfterMs: number;
  /** Logplex's all-or-nothing answers. */
  readonly strict: boolean;
}

export interface IngestHandlerParts {
  readonly bus: Pick<LogBus, 'append' | 'problem'>;
  readonly tokens: Pick<TokenCache, 'judge'>;
  readonly repeats: Repeats;
  readonly limiter: RateLimiter;
  readonly inflater: Pick<Inflater, 'inflate'>;
  readonly inFlight: FairShare;
  readonly metrics: IngestMetrics;
  readonly clock: Clock;
  readonly logger: Logger;
}

const sweepMs = 50;
/** An answer was given before the body had come: so long is waited for its end. */
const discardMsMax = 2000;

/**
 * `POST /logs`. A request goes through these steps; where one cannot go on now, the request is held and the step
 * is tried again, until the request is too old.
 *
 * ```
 * RequestAdmission ─► RequestBody ─► RequestStore ───► RequestWriter
 *  sender, room        read, gunzip   frames, repeats,   the answer
 *                                     rate, log
 * ```
 */
export class IngestHandler implements AdmissionDesk, BodyDesk, RequestDesk {
  readonly #options: IngestHandlerOptions;
  readonly #parts: IngestHandlerParts;
  readonly #writer: RequestWriter;
  readonly #body: RequestBody;
  readonly #store: RequestStore;
  readonly #admission: RequestAdmission;
  /** Every request that has not ended, in order of arrival. */
  readonly #open = new RequestList();
  #stopSweeping: (() => void) | undefined;
  #isClosing = false;
  #becameIdle: (() => void) | undefined;

  constructor(options: IngestHandlerOptions, parts: IngestHandlerParts) {
    this.#options = options;
    this.#parts = parts;
    this.#writer = new RequestWriter(options);
    this.#store = new RequestStore(options, parts, this);
    this.#body = new RequestBody(options, parts, this);
    this.#admission = new RequestAdmission(options, parts, this);
    parts.metrics.watch({
      inFlightBytes: () => this.#admission.inFlightBytes,
      heldRequests: () => this.heldRequests,
      rememberedRequests: () => parts.repeats.size,
    });
  }

  /** Requests that have not ended. */
  get openRequests(): number {
    let open = 0;
    this.#open.forEach(() => open++);
    return open;
  }

  /** Those of them that wait for something that is not there now. */
  get heldRequests(): number {
    let held = 0;
    this.#open.forEach(({ phase }) => {
      if (phase === 'held') held++;
    });
    return held;
  }

  /** Stops admitting, gives up those that are held, and resolves when the others are answered. */
  async close(signal: AbortSignal): Promise<void> {
    this.#isClosing = this.#writer.isClosing = true;
    this.#open.forEach((request) => {
      if (request.phase === 'held') this.giveUp(request);
    });
    if (!this.#open.isEmpty && !signal.aborted) {
      await new Promise<void>((resolve) => {
        this.#becameIdle = resolve;
        signal.addEventListener('abort', () => resolve(), { once: true });
      });
    }
    this.#stopSweeping?.();
    this.#stopSweeping = undefined;
    this.#open.forEach((request) => void request.req.socket.destroy());
  }

  handle(req: IncomingMessage, res: ServerResponse): void {
    const head = readHead(req, this.#options);
    const request = new LogRequest(req, res, head, this.#parts.clock.monotonicMs());
    this.#open.add(request);
    this.#stopSweeping ??= this.#parts.clock.every(sweepMs, () => this.#sweep());
    if (head.refusal) this.refuse(request, head.refusal);
    else if (this.#isClosing) this.giveUp(request);
    else this.#admission.judge(request);
  }

  admitted(request: LogRequest): void {
    this.#body.read(request);
  }

  reading(request: LogRequest): void {
    request.phase = 'reading';
    request.readSinceMs ??= this.#parts.clock.monotonicMs();
    request.dueMs = request.readSinceMs + this.#options.bodyMsMax;
  }

  hold(request: LogRequest, retry: (() => void) | undefined): void {
    request.phase = 'held';
    request.dueMs = request.startedMs + this.#options.holdMsMax;
    request.retry = retry;
    if (this.#isClosing) this.giveUp(request);
  }

  storing(request: LogRequest): void {
    request.phase = 'storing';
    request.dueMs = this.#parts.clock.monotonicMs() + this.#options.holdMsMax;
  }

  complete(request: LogRequest, body: Buffer): void {
    this.#store.take(request, body);
  }

  stored(request: LogRequest, intake: Intake): void {
    this.#parts.metrics.stored(intake);
    if (!request.isAnswered) {
      const rejected = intake.rejected === noneRejected ? 0 : rejectedTotal(intake.rejected);
      this.#count(intake.outcome);
      if (intake.refusal) this.#writer.refuse(request, intake.refusal, rejected);
      else this.#writer.accept(request, rejected);
    }
    this.#end(request);
  }

  failed(request: LogRequest): void {
    if (request.isAnswered) this.#end(request);
    else this.giveUp(request);
  }

  gone(request: LogRequest): void {
    if (!request.isAnswered) this.#count('gone');
    request.isAnswered = true;
    this.#end(request);
  }

  refuse(request: LogRequest, answer: Answer): void {
    this.#count(answer.outcome);
    this.#writer.refuse(request, answer);
    this.#endWithStream(request);
  }

  /** What it needs is not there, and has not been for too long. */
  giveUp(request: LogRequest): void {
    this.#count(this.#writer.overload(request));
    this.#store.abandon(request);
    this.#endWithStream(request);
  }

  /** The rest of a body may still be on its way after the answer. */
  #endWithStream(request: LogRequest): void {
    if (request.isComplete || request.req.destroyed) {
      this.#end(request);
      return;
    }
    this.#release(request);
    request.phase = 'discarding';
    request.dueMs = this.#parts.clock.monotonicMs() + discardMsMax;
    request.req.once('close', () => this.#end(request));
  }

  #end(request: LogRequest): void {
    this.#open.delete(request);
    this.#release(request);
    if (this.#open.isEmpty) this.#becameIdle?.();
  }

  #release(request: LogRequest): void {
    request.claim?.release();
    request.claim = undefined;
  }

  /** One timer for all, and none while there is no request: looks at every open one, oldest first. */
  #sweep(): void {
    if (this.#open.isEmpty) {
      this.#stopSweeping?.();
      this.#stopSweeping = undefined;
      return;
    }
    const nowMs = this.#parts.clock.monotonicMs();
    this.#open.forEach((request) => {
      if (nowMs >= request.dueMs) this.#overdue(request);
      else if (request.phase === 'held' && !this.#admission.mayStay(request)) this.giveUp(request);
      else if (request.phase === 'held') request.retry?.();
    });
  }

  #overdue(request: LogRequest): void {
    request.dueMs = Infinity;
    switch (request.phase) {
      case 'held':
        this.giveUp(request);
        return;
      case 'reading':
        this.#count('slow');
        this.#writer.tooSlow(request);
        this.#endWithStream(request);
        return;
      case 'storing':
        // What it holds stays held until the log has said yes or no.
        this.#count(this.#writer.overload(request));
        return;
      case 'discarding':
        request.req.socket.destroy();
        return;
    }
  }

  #count(outcome: RequestOutcome): void {
    this.#parts.metrics.requests[outcome]++;
  }
}

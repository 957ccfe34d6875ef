import { AppError } from '../core/errors.ts';
import { answers, type Answer } from './answers.ts';
import type { Inflater } from './inflater.ts';
import type { IngestMetrics } from './ingest-metrics.ts';
import type { LogRequest } from './log-request.ts';

export interface RequestBodyOptions {
  /** As sent, and inflated. */
  readonly bodyBytesMax: number;
}

export interface RequestBodyParts {
  readonly inflater: Pick<Inflater, 'inflate'>;
  readonly metrics: IngestMetrics;
}

/** Who moves requests on. */
export interface BodyDesk {
  reading(request: LogRequest): void;
  /** The body does not depend on its sender any more. */
  storing(request: LogRequest): void;
  hold(request: LogRequest, retry: () => void): void;
  refuse(request: LogRequest, answer: Answer): void;
  /** The client went away before the end, or the request was answered while its body was inflated. */
  gone(request: LogRequest): void;
  /** The whole body, inflated. */
  complete(request: LogRequest, body: Buffer): void;
}

/** Reads bodies, within the room that there is. */
export class RequestBody {
  readonly #options: RequestBodyOptions;
  readonly #parts: RequestBodyParts;
  readonly #desk: BodyDesk;

  constructor(options: RequestBodyOptions, parts: RequestBodyParts, desk: BodyDesk) {
    this.#options = options;
    this.#parts = parts;
    this.#desk = desk;
  }

  /** Starts the flow of an admitted request. */
  read(request: LogRequest): void {
    const { req } = request;
    this.#desk.reading(request);
    req.on('data', (chunk: Buffer) => this.#grow(request, chunk));
    req.on('end', () => this.#end(request));
    req.on('error', () => {
      if (!request.isComplete) this.#desk.gone(request);
    });
  }

  #grow(request: LogRequest, chunk: Buffer): void {
    if (request.isAnswered) return;
    request.grow(chunk);
    if (request.bytes > this.#options.bodyBytesMax) {
      this.#desk.refuse(request, answers.tooLarge);
    } else if (!this.#hasRoom(request)) {
      request.req.pause();
      this.#desk.hold(request, () => this.#goOn(request));
    }
  }

  #goOn(request: LogRequest): void {
    if (!this.#hasRoom(request)) return;
    this.#desk.reading(request);
    request.req.resume();
  }

  /** Room is claimed in steps that double, so that few are needed. */
  #hasRoom({ claim, bytes }: LogRequest): boolean {
    if (!claim || bytes <= claim.bytes) return true;
    return claim.grow(Math.min(2 * bytes, this.#options.bodyBytesMax) - claim.bytes);
  }

  #end(request: LogRequest): void {
    request.isComplete = true;
    if (request.isAnswered) return;
    const body = request.takeBody();
    this.#parts.metrics.bodyBytes += body.length;
    request.claim?.resize(body.length);
    if (request.head.isGzip && body.length > 0) this.#inflate(request, body);
    else this.#desk.complete(request, body);
  }

  #inflate(request: LogRequest, body: Buffer): void {
    this.#desk.storing(request);
    const failed = (error: unknown): void => {
      const isTooLarge = error instanceof AppError && error.code === 'BODY_TOO_LARGE';
      if (request.isAnswered) this.#desk.gone(request);
      else this.#desk.refuse(request, isTooLarge ? answers.tooLarge : answers.badBody);
    };
    let result: Buffer | Promise<Buffer>;
    try {
      result = this.#parts.inflater.inflate(body);
    } catch (error) {
      failed(error);
      return;
    }
    if (result instanceof Promise) {
      void result.then((bytes) => this.#inflated(request, body, bytes), failed);
    } else {
      this.#inflated(request, body, result);
    }
  }

  /** How long it is shows only now. While there is no room for that, only what was sent is kept. */
  #inflated(request: LogRequest, body: Buffer, bytes: Buffer): void {
    if (request.isAnswered) {
      this.#desk.gone(request);
    } else if (hasRoomFor(bytes.length, request)) {
      request.claim?.resize(bytes.length);
      this.#desk.complete(request, bytes);
    } else {
      this.#inflateLater(request, body, bytes.length);
    }
  }

  #inflateLater(request: LogRequest, body: Buffer, inflatedBytes: number): void {
    this.#desk.hold(request, () => {
      if (hasRoomFor(inflatedBytes, request)) this.#inflate(request, body);
    });
  }
}

function hasRoomFor(bytes: number, { claim }: LogRequest): boolean {
  return !claim || bytes <= claim.bytes || claim.grow(bytes - claim.bytes);
}

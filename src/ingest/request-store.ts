import type { LogBus } from '../bus/bus.ts';
import type { Clock } from '../core/clock.ts';
import { AppError } from '../core/errors.ts';
import type { Logger } from '../core/logger.ts';
import { FirstCopies } from './first-copies.ts';
import type { LogRequest } from './log-request.ts';
import type { RateLimiter } from './rate-limiter.ts';
import type { Repeats } from './repeats.ts';
import {
  readBody,
  repeated,
  takeIn,
  takeInMissing,
  type Intake,
  type IntakeOptions,
  type ReadBody,
} from './request-intake.ts';
import type { Access } from './token-cache.ts';

export interface RequestStoreParts {
  readonly bus: Pick<LogBus, 'append'>;
  readonly repeats: Repeats;
  readonly limiter: RateLimiter;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Who moves requests on; it may have answered one meanwhile. */
export interface RequestDesk {
  hold(request: LogRequest, retry: (() => void) | undefined): void;
  storing(request: LogRequest): void;
  /** What the request came to is durable. */
  stored(request: LogRequest, intake: Intake): void;
  /** Nothing was acknowledged, and trying again does not help. */
  failed(request: LogRequest): void;
}

/**
 * Puts complete bodies into the log, each request once. A repeat that comes while its first copy is on the way
 * waits for the first one's result, and does the work itself when that fails.
 */
export class RequestStore {
  readonly #options: IntakeOptions;
  readonly #parts: RequestStoreParts;
  readonly #desk: RequestDesk;
  /** First copies on their way into the log, by request key. */
  readonly #first = new FirstCopies();

  constructor(options: IntakeOptions, parts: RequestStoreParts, desk: RequestDesk) {
    this.#options = options;
    this.#parts = parts;
    this.#desk = desk;
  }

  /** Takes the body of an admitted request, inflated. */
  take(request: LogRequest, body: Buffer): void {
    request.content = readBody(this.#options, body, request.access as Access, request.head);
    this.#store(request);
  }

  /** A request that was not stored has been given up. */
  abandon(request: LogRequest): void {
    const { intake } = request;
    if (intake?.outcome === 'stored') {
      for (const { app, frames, lines } of intake.records) {
        this.#parts.limiter.giveBack(app, frames.length, lines);
      }
    }
    this.#endFirst(request);
  }

  #store(request: LogRequest): void {
    const key = request.content?.key;
    const first = key && this.#first.get(key);
    if (first) {
      (first.copies ??= []).push(request);
      this.#desk.hold(request, undefined);
      return;
    }
    const intake = this.#intake(request);
    request.intake = intake;
    if (intake.records.length === 0) {
      this.#desk.stored(request, intake);
      return;
    }
    if (key) this.#first.add(key, request);
    this.#append(request, intake);
  }

  #intake(request: LogRequest): Intake {
    const content = request.content as ReadBody;
    const access = request.access as Access;
    const known = content.key && this.#parts.repeats.find(content.key);
    if (known === 'stored') return repeated(content);
    const nowMs = this.#parts.clock.nowMs();
    return known
      ? takeInMissing(content, access, nowMs, known)
      : takeIn(content, access, nowMs, this.#parts.limiter);
  }

  #append(request: LogRequest, intake: Intake): void {
    this.#desk.storing(request);
    this.#parts.bus.append(intake.records).then(
      () => this.#stored(request, intake),
      (error: unknown) => this.#failed(request, intake, error),
    );
  }

  #stored(request: LogRequest, intake: Intake): void {
    const key = request.content?.key;
    if (key) this.#parts.repeats.remember(key);
    this.#desk.stored(request, intake);
    this.#endFirst(request);
  }

  #failed(request: LogRequest, intake: Intake, error: unknown): void {
    const isRetryable = error instanceof AppError && error.retryable;
    if (isRetryable && !request.isAnswered) {
      this.#desk.hold(request, () => this.#append(request, intake));
      return;
    }
    if (!isRetryable) this.#parts.logger.error({ err: error }, 'ingest.append_failed');
    this.abandon(request);
    this.#desk.failed(request);
  }

  /** Its copies look again: they find it stored, or the next of them takes its place. */
  #endFirst(request: LogRequest): void {
    if (!this.#first.delete(request)) return;
    const { copies } = request;
    request.copies = undefined;
    for (const copy of copies ?? []) if (!copy.isAnswered) this.#store(copy);
  }
}

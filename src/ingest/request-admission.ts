import type { LogBus } from '../bus/bus.ts';
import { answers, type Answer } from './answers.ts';
import { createFairShare, type FairShare } from './fair-share.ts';
import type { IngestMetrics } from './ingest-metrics.ts';
import type { LogRequest } from './log-request.ts';
import type { Access, Judgement, TokenCache } from './token-cache.ts';

export interface RequestAdmissionOptions {
  /** Bytes of bodies being read, held or made durable, of all apps. */
  readonly bytesInFlightMax: number;
}

export interface RequestAdmissionParts {
  readonly bus: Pick<LogBus, 'problem'>;
  readonly tokens: Pick<TokenCache, 'judge'>;
  /** Room for bodies that are read, held or made durable; other doors have the same. */
  readonly inFlight: FairShare;
  readonly metrics: IngestMetrics;
}

/** Who moves requests on. */
export interface AdmissionDesk {
  hold(request: LogRequest, retry: (() => void) | undefined): void;
  /** Its sender is known, and there is room for its body. */
  admitted(request: LogRequest): void;
  refuse(request: LogRequest, answer: Answer): void;
  giveUp(request: LogRequest): void;
  gone(request: LogRequest): void;
}

/** Room taken before a body comes. */
const firstClaimBytes = 4096;

/** Decides whose request it is and whether it can be taken now. Bodies are not read before that. */
export class RequestAdmission {
  readonly #parts: RequestAdmissionParts;
  readonly #desk: AdmissionDesk;
  /** Of requests that are held before their body is read. */
  readonly #unread: FairShare;

  constructor(options: RequestAdmissionOptions, parts: RequestAdmissionParts, desk: AdmissionDesk) {
    this.#parts = parts;
    this.#desk = desk;
    this.#unread = createFairShare(options);
  }

  get inFlightBytes(): number {
    return this.#parts.inFlight.bytes;
  }

  judge(request: LogRequest): void {
    const judgement = this.#parts.tokens.judge(request.head.authorization);
    if (!(judgement instanceof Promise)) {
      this.#judged(request, judgement);
      return;
    }
    this.#hold(request, undefined);
    void judgement.then((later) => {
      if (!request.isAnswered) this.#judged(request, later);
    });
  }

  /** Node reads a little ahead of those who wait; whether there is still room for that. */
  mayStay({ claim, readSinceMs, req }: LogRequest): boolean {
    if (!claim || readSinceMs !== undefined) return true;
    claim.resize(Math.max(firstClaimBytes, req.readableLength));
    return !claim.isTooMuch;
  }

  #judged(request: LogRequest, judgement: Judgement): void {
    const { head } = request;
    if (judgement === 'unjudged') {
      this.#hold(request, () => this.judge(request));
    } else if (judgement === 'unknown') {
      this.#parts.metrics.authFailures[head.authorization === undefined ? 'missing' : 'unknown']++;
      this.#desk.refuse(request, answers.unauthorised);
    } else if (head.bodyRefusal) {
      this.#desk.refuse(request, head.bodyRefusal);
    } else {
      request.access = judgement;
      this.#admit(request, judgement);
    }
  }

  #admit(request: LogRequest, access: Access): void {
    const isReady = this.#parts.bus.problem() === undefined;
    const claim = isReady ? this.#parts.inFlight.claim(access.app, firstClaimBytes) : undefined;
    if (!claim) {
      this.#hold(request, () => this.#admit(request, access));
      return;
    }
    request.claim?.release();
    request.claim = claim;
    this.#desk.admitted(request);
  }

  /** Where there is no room even for what waits, the request is not held. */
  #hold(request: LogRequest, retry: (() => void) | undefined): void {
    if (!request.claim) {
      request.claim = this.#unread.claim(request.access?.app ?? 0, firstClaimBytes);
      request.res.once('close', () => {
        if (!request.isAnswered && request.readSinceMs === undefined) this.#desk.gone(request);
      });
    }
    if (request.claim) this.#desk.hold(request, retry);
    else this.#desk.giveUp(request);
  }
}

import type { Position } from '../core/position.ts';
import type { Service } from '../core/service.ts';

/**
 * A drain speaks one protocol to one place. Queueing, batching, retry, state and accounting are the
 * worker's. An expected failure is a value; a throw is a bug.
 */
export interface Drain {
  /** One batch at a time, or as many as it was made for. When `signal` aborts, it resolves soon, with `retry`. */
  deliver(batch: Batch, signal: AbortSignal): Promise<Delivery>;
  close: Service['close'];
}

/** The frames of one delivery, already encoded in the drain's format. */
export interface Batch {
  /** 32 hex digits, a function of the drain and the range: the same range is always the same batch. */
  readonly id: string;
  /** Position after the last line of the batch. */
  readonly to: Position;
  /** Messages in `body`: what `Logplex-Msg-Count` says. */
  readonly messages: number;
  readonly body: Buffer;
  /** Where it is not what the drain's options say: the batch was cut with others. */
  readonly contentType?: string;
}

export type Delivery =
  /** The receiver has taken the batch, but for `rejected` messages of it. */
  | { readonly kind: 'delivered'; readonly rejected: number }
  /** Handed to a stream that acknowledges nothing; `confirmed` moves the cursor later. */
  | { readonly kind: 'written' }
  /** Try the same batch again, not before `afterMs` when given. */
  | {
      readonly kind: 'retry';
      readonly reason: FailureReason;
      readonly afterMs?: number;
      readonly status?: number;
      /** Why a certificate was refused, in the words of L14; never the URL. */
      readonly certificate?: string;
    }
  /** Too large, or some message in it is unacceptable: send it in smaller pieces. */
  | { readonly kind: 'split'; readonly status: number }
  /** The receiver does not want this drain now: keep the lines, probe rarely, tell the owner. */
  | { readonly kind: 'hold'; readonly reason: FailureReason; readonly status?: number }
  /** The receiver said never. */
  | { readonly kind: 'refused'; readonly status: number };

/** Why an attempt failed: coarse on purpose, because owners and metrics see it. */
export const failureReasons = [
  'timeout',
  'connect',
  'dns',
  'tls',
  'blocked_address',
  'http_3xx',
  'http_4xx',
  'http_429',
  'http_5xx',
  'closed',
  'protocol',
] as const;
export type FailureReason = (typeof failureReasons)[number];

/** What a stream drain is made with, to tell the worker what it learns outside of `deliver`. */
export interface StreamEvents {
  /** Everything before `position` has reached the receiver, as far as the protocol lets us know. */
  confirmed(position: Position): void;
  /**
   * The stream broke: what is not confirmed is sent again. May come while nothing is being delivered, and with a
   * certificate that was refused (in the words of L14): in TLS 1.3 ours is judged after the handshake.
   */
  broken(reason: FailureReason, certificate?: string): void;
}

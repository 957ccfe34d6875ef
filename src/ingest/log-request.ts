import type { IncomingMessage, ServerResponse } from 'node:http';
import type { Claim } from './fair-share.ts';
import type { RequestHead } from './request-head.ts';
import type { Intake, ReadBody } from './request-intake.ts';
import type { Access } from './token-cache.ts';

/**
 * What a request is waiting for, and with it what its time bound means:
 * `held` for something that is not there now, `reading` for its sender, `storing` for the log, `discarding` for
 * the end of a body that was refused.
 */
export type RequestPhase = 'held' | 'reading' | 'storing' | 'discarding';

/**
 * One request at the log door, from its head to its answer. The handler moves it from step to step; this is what
 * it knows on the way.
 */
export class LogRequest {
  readonly req: IncomingMessage;
  readonly res: ServerResponse;
  readonly head: RequestHead;
  readonly startedMs: number;
  /** When its body was first read. */
  readSinceMs: number | undefined;
  phase: RequestPhase = 'held';
  /** When the phase has lasted too long; monotonic. */
  dueMs: number;
  /** While held: what to try again. Without it, somebody will call. */
  retry: (() => void) | undefined;
  access: Access | undefined;
  /** Room for the body, or for what is not read of it. */
  claim: Claim | undefined;
  /** Bytes of the body that have come. */
  bytes = 0;
  /** The whole body is here. */
  isComplete = false;
  /** An answer has been given, or the connection was closed. */
  isAnswered = false;
  content: ReadBody | undefined;
  intake: Intake | undefined;
  /** Other copies of this request, which wait for its end. */
  copies: LogRequest[] | undefined;
  /** Its place among those on their way into the log; 0 is none. */
  place = 0;
  /** Its place among the open requests. */
  isListed = false;
  older: LogRequest | undefined;
  newer: LogRequest | undefined;
  #chunks: Buffer[] = [];

  constructor(req: IncomingMessage, res: ServerResponse, head: RequestHead, startedMs: number) {
    this.req = req;
    this.res = res;
    this.head = head;
    this.startedMs = startedMs;
    this.dueMs = Infinity;
  }

  grow(chunk: Buffer): void {
    this.bytes += chunk.length;
    this.#chunks.push(chunk);
  }

  /** The body as one buffer; it is handed out once. */
  takeBody(): Buffer {
    const chunks = this.#chunks;
    this.#chunks = [];
    return chunks.length === 1 ? (chunks[0] as Buffer) : Buffer.concat(chunks, this.bytes);
  }

  dropBody(): void {
    this.#chunks = [];
  }
}

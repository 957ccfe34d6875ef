import { answers, overloaded, type Answer, type RequestOutcome } from './answers.ts';
import type { LogRequest } from './log-request.ts';

export interface RequestWriterOptions {
  /** What senders other than log-shuttle are told to wait. */
  readonly retryAfterMs: number;
  /** What may still come of a body that is not wanted, so that its sender can read the answer. */
  readonly bodyBytesMax: number;
}

/** Writes answers. */
export class RequestWriter {
  readonly #overloaded: Answer;
  readonly #discardBytesMax: number;
  /** Tells clients to come back over another connection. */
  isClosing = false;

  constructor(options: RequestWriterOptions) {
    this.#overloaded = overloaded(options.retryAfterMs);
    this.#discardBytesMax = options.bodyBytesMax;
  }

  /** 204, the body having been read. */
  accept(request: LogRequest, rejected: number): void {
    const { res } = request;
    request.isAnswered = true;
    if (!canAnswer(request)) return;
    if (this.isClosing) res.setHeader('Connection', 'close');
    if (rejected > 0) res.setHeader('Spillway-Rejected', rejected);
    res.writeHead(204).end();
  }

  /** A status with a text. What is still to come of the body is read and dropped, within bounds. */
  refuse(request: LogRequest, answer: Answer, rejected = 0): void {
    const { req, res } = request;
    request.isAnswered = true;
    request.dropBody();
    if (!canAnswer(request)) return;
    const text = `${answer.text}\n`;
    const headers: Record<string, string | number> = {
      ...answer.headers,
      'Content-Type': 'text/plain',
      'Content-Length': Buffer.byteLength(text),
    };
    if (answer.closes || this.isClosing) headers['Connection'] = 'close';
    if (rejected > 0) headers['Spillway-Rejected'] = rejected;
    if (answer.reason === undefined) res.writeHead(answer.status, headers);
    else res.writeHead(answer.status, answer.reason, headers);
    if (request.isComplete) {
      res.end(text);
      return;
    }
    // Ending now would close or reset the connection under a client that is still sending.
    res.write(text);
    let bytes = 0;
    req.on('data', (chunk: Buffer) => {
      bytes += chunk.length;
      if (bytes > this.#discardBytesMax) req.socket.destroy();
    });
    req.on('end', () => res.end());
    req.resume();
  }

  /**
   * There is no room now. log-shuttle takes any status for a delivery, and retries only when the connection
   * breaks; others understand 503.
   */
  overload(request: LogRequest): RequestOutcome {
    return this.#refuseOrClose(request, this.#overloaded) ? 'overloaded' : 'closed';
  }

  tooSlow(request: LogRequest): void {
    this.#refuseOrClose(request, answers.slow);
  }

  #refuseOrClose(request: LogRequest, answer: Answer): boolean {
    if (!request.head.isShuttle) {
      this.refuse(request, answer);
      return true;
    }
    request.isAnswered = true;
    request.dropBody();
    // The request's own destroy() leaves the connection open once its body was read.
    request.req.socket.destroy();
    return false;
  }
}

/** The client may have gone while its lines were stored. (A response that waits its turn has no socket yet.) */
function canAnswer({ req, res }: LogRequest): boolean {
  return !res.destroyed && req.socket.writable;
}

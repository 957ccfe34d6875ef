import { randomUUID } from 'node:crypto';
import { setTimeout as sleep } from 'node:timers/promises';
import type { Lines } from './line.ts';
import { logRequest, type SenderIdentity } from './log-batch.ts';
import { LogsConnection, type LogsAnswer } from './logs-connection.ts';
import type { SentLedger } from './sent-ledger.ts';

/** What became of requests, over all senders of a process. */
export interface SendCounts {
  requests: number;
  /** Attempts that got no 2xx. */
  failed: number;
  /** Lines that a 2xx said were not stored: none of ours is bad. */
  rejected: number;
  /** Answers that no sender expects, by status. */
  readonly surprises: Record<string, number>;
  /** Lines that log-shuttle gave up or had no room for. */
  shuttleLost: number;
}

interface Parts {
  readonly lines: Lines;
  readonly ledger: SentLedger;
  readonly who: SenderIdentity;
  readonly port: number;
  readonly counts: SendCounts;
}

/** One source with its sender. */
export interface LineSender {
  /** The source has `count` more lines. */
  produce(count: number, nowMs: number): void;
  /** Nothing is waiting or under way. */
  readonly isIdle: boolean;
  close(): void;
}

/** A sender of ours: tries until there is a 2xx, the same batch under the same id, one at a time. */
export class GenericSender implements LineSender {
  readonly #parts: Parts;
  readonly #connection: LogsConnection;
  #next = 0;
  #isSending = false;
  #isClosed = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#connection = new LogsConnection(parts.port);
  }

  get isIdle(): boolean {
    return !this.#isSending && this.#next === this.#parts.ledger.produced;
  }

  produce(count: number): void {
    this.#parts.ledger.produced += count;
    if (!this.#isSending && this.#next < this.#parts.ledger.produced) void this.#sendAll();
  }

  close(): void {
    this.#isClosed = true;
    this.#connection.close();
  }

  async #sendAll(): Promise<void> {
    this.#isSending = true;
    while (this.#next < this.#parts.ledger.produced && !this.#isClosed) {
      const count = Math.min(this.#parts.ledger.produced - this.#next, genericLinesMax);
      await this.#send({ from: this.#next, count });
      this.#next += count;
    }
    this.#isSending = false;
  }

  async #send(range: { from: number; count: number }): Promise<void> {
    const { lines, who, ledger, counts } = this.#parts;
    const request = logRequest(lines, who, range, randomUUID());
    ledger.sending(range.from, range.count);
    for (let waitMs = 50; !this.#isClosed; waitMs = Math.min(waitMs * 2, genericWaitMsMax)) {
      const answer = await attempt(this.#connection, request, genericAnswerMs, counts);
      if (typeof answer === 'object' && isTaken(answer, counts)) {
        ledger.acknowledged(range.from, range.count);
        return;
      }
      await sleep(waitMs);
    }
  }
}

const genericLinesMax = 400;
const genericWaitMsMax = 800;
const genericAnswerMs = 10_000;

/**
 * log-shuttle as a container runs it (`-num-outlets 1 -batch-size=5 -back-buff=5000`), what it does on the wire
 * and what it gives up: see `test/support/log-shuttle-model.ts`. One process drives many of these.
 */
export class ShuttleSender implements LineSender {
  readonly #parts: Parts;
  readonly #connection: LogsConnection;
  readonly #batches: { from: number; count: number }[] = [];
  #open: { from: number; count: number; sinceMs: number } | undefined;
  #isSending = false;
  #isClosed = false;

  constructor(parts: Parts) {
    this.#parts = parts;
    this.#connection = new LogsConnection(parts.port);
  }

  get isIdle(): boolean {
    return !this.#isSending && this.#batches.length === 0 && !this.#open;
  }

  produce(count: number, nowMs: number): void {
    const { ledger } = this.#parts;
    for (let i = 0; i < count; i++) {
      const from = ledger.produced++;
      this.#open ??= { from, count: 0, sinceMs: nowMs };
      this.#open.count++;
      if (this.#open.count === shuttle.batchLines) this.#closeBatch();
    }
    if (this.#open && nowMs - this.#open.sinceMs >= shuttle.batchAgeMs) this.#closeBatch();
    if (!this.#isSending && this.#batches.length > 0) void this.#sendAll();
  }

  close(): void {
    this.#isClosed = true;
    this.#connection.close();
  }

  #closeBatch(): void {
    if (!this.#open) return;
    if (this.#batches.length < shuttle.bufferBatches) this.#batches.push(this.#open);
    else this.#parts.counts.shuttleLost += this.#open.count;
    this.#open = undefined;
  }

  async #sendAll(): Promise<void> {
    this.#isSending = true;
    for (let batch = this.#batches.shift(); batch; batch = this.#batches.shift()) {
      await this.#send(batch);
      if (this.#isClosed) break;
    }
    this.#isSending = false;
  }

  async #send(range: { from: number; count: number }): Promise<void> {
    const { lines, who, ledger, counts } = this.#parts;
    const request = logRequest(lines, who, range, randomUUID());
    ledger.sending(range.from, range.count);
    for (let attempts = 1; attempts <= shuttle.attemptsMax && !this.#isClosed; attempts++) {
      const answer = await attempt(this.#connection, request, shuttle.answerMs, counts);
      if (typeof answer === 'object') {
        if (isTaken(answer, counts)) ledger.acknowledged(range.from, range.count);
        else counts.shuttleLost += range.count;
        return;
      }
      if (this.#batches.length > shuttle.bufferBatches * 0.6) break;
      if (attempts < shuttle.attemptsMax) await sleep(attempts * shuttle.waitMs[answer]);
    }
    counts.shuttleLost += range.count;
  }
}

const shuttle = {
  batchLines: 5,
  batchAgeMs: 250,
  bufferBatches: 5000,
  answerMs: 5000,
  attemptsMax: 3,
  /** After the first failed attempt; twice that after the second. */
  waitMs: { ended: 100, failed: 1000 },
} as const;

/** The answer, or how the connection went: a kept one was ended under the request, or anything else. */
async function attempt(
  connection: LogsConnection,
  request: Buffer,
  answerMs: number,
  counts: SendCounts,
): Promise<LogsAnswer | 'ended' | 'failed'> {
  counts.requests++;
  try {
    return await connection.post(request, answerMs);
  } catch (error) {
    counts.failed++;
    const { code, message } = error as NodeJS.ErrnoException;
    return code === 'ECONNRESET' || message === 'closed' ? 'ended' : 'failed';
  }
}

function isTaken({ status, rejected }: LogsAnswer, counts: SendCounts): boolean {
  if (status >= 200 && status < 300) {
    counts.rejected += rejected;
    return true;
  }
  counts.failed++;
  if (status < 500) counts.surprises[status] = (counts.surprises[status] ?? 0) + 1;
  return false;
}

import type { Position } from '../core/position.ts';
import type { Wakeup } from '../core/wakeup.ts';
import type { BatchQueue } from './batch-queue.ts';
import type { DrainAttempts } from './drain-attempts.ts';
import type { DrainLedger } from './drain-ledger.ts';
import type { FailureReason, StreamEvents } from './drain.ts';
import { UnconfirmedBatches } from './unconfirmed-batches.ts';

export interface StreamReceiptsParts {
  readonly ledger: DrainLedger;
  readonly attempts: DrainAttempts;
  readonly queue: BatchQueue;
  readonly wakeup: Wakeup;
}

/** What a stream tells of the batches that it took, and what follows from that. */
export class StreamReceipts implements StreamEvents {
  readonly batches = new UnconfirmedBatches();
  readonly #parts: StreamReceiptsParts;

  constructor(parts: StreamReceiptsParts) {
    this.#parts = parts;
  }

  confirmed(position: Position): void {
    const { ledger, attempts, wakeup } = this.#parts;
    const confirmed = this.batches.confirm(position);
    if (confirmed.length === 0) return;
    ledger.confirmed(confirmed);
    attempts.succeeded();
    wakeup.ring();
    void ledger.save();
  }

  broken(reason: FailureReason, certificate?: string): void {
    this.batches.broke(reason, certificate);
    this.#parts.wakeup.ring();
  }

  /** After a break everything that is not confirmed is read and sent again. */
  rewindWhenBroken(): void {
    const { ledger, attempts, queue } = this.#parts;
    const { brokenBy, isEmpty } = this.batches;
    if (brokenBy === undefined) return;
    if (!isEmpty) attempts.broke(brokenBy);
    this.batches.clear();
    queue.restart(ledger.books.cursor);
  }
}

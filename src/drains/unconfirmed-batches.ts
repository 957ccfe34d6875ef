import { comparePositions, type Position } from '../core/position.ts';
import type { Cut } from './batch-cutter.ts';
import type { FailureReason } from './drain.ts';
import type { Place } from './place.ts';

/** What a stream has taken and not confirmed. Its lines are in the log, and nowhere else. */
export interface UnconfirmedBatch extends Omit<Cut, 'body' | 'from'> {
  /** Where the batch ended that was sent: what comes up to `to` was filtered. */
  readonly sentTo: Position;
}

/** Why a stream broke, as it tells. */
export interface StreamBreak {
  readonly reason: FailureReason;
  readonly certificate: string | undefined;
}

/** Batches that a stream has taken but not confirmed, oldest first. */
export class UnconfirmedBatches {
  #batches: UnconfirmedBatch[] = [];
  #brokenBy: StreamBreak | undefined;

  /** Why the stream broke: what is not confirmed has to be sent again before anything else. */
  get brokenBy(): StreamBreak | undefined {
    return this.#brokenBy;
  }

  get isEmpty(): boolean {
    return this.#batches.length === 0;
  }

  /** Where the last of them ends. */
  get end(): Place | undefined {
    return this.#batches.at(-1)?.to;
  }

  /** One of them has an L10, which may still arrive. */
  get hasOverflow(): boolean {
    return this.#batches.some(({ overflow }) => overflow !== undefined);
  }

  /** Ranges of nothing but filtered lines, which are not sent, join the one before them. */
  add({ to, lines, messages, overflow, lastLineMs }: Omit<Cut, 'body'>): void {
    const last = this.#batches.at(-1);
    if (last && messages === 0 && !overflow) {
      this.#batches.pop();
      this.#batches.push({ ...last, to, lines: last.lines + lines, lastLineMs });
    } else {
      this.#batches.push({ to, sentTo: to.position, lines, messages, overflow, lastLineMs });
    }
  }

  /** Takes out what the receiver has, when it has everything before `position`. */
  confirm(position: Position): UnconfirmedBatch[] {
    const after = this.#batches.findIndex(({ sentTo }) => comparePositions(sentTo, position) > 0);
    return this.#batches.splice(0, after < 0 ? this.#batches.length : after);
  }

  broke(reason: FailureReason, certificate?: string): void {
    this.#brokenBy = { reason, certificate };
  }

  /** They are to be sent again, or never: the stream that had them is no more. */
  clear(): void {
    this.#batches = [];
    this.#brokenBy = undefined;
  }
}

/** What one look at a connection sees. */
export interface Progress {
  /** Up to the last finished write. */
  readonly sentBytes: number;
  /** Not acknowledged by the peer; undefined where that cannot be known. */
  readonly heldBytes: number | undefined;
  readonly isWriting: boolean;
}

/**
 * Finds a peer that is gone without a word, or does not read: there is something to send, and for `stallMsMax`
 * nothing has moved. TCP itself would take a quarter of an hour.
 */
export class StallWatch {
  readonly #stallMsMax: number;
  #last: Progress = { sentBytes: 0, heldBytes: 0, isWriting: false };
  #movedAtMs = 0;

  constructor(options: { readonly stallMsMax: number }) {
    this.#stallMsMax = options.stallMsMax;
  }

  reset(nowMs: number): void {
    this.#last = { sentBytes: 0, heldBytes: 0, isWriting: false };
    this.#movedAtMs = nowMs;
  }

  /** True once the connection has to be given up. */
  look(now: Progress, nowMs: number): boolean {
    if (hasMoved(this.#last, now)) this.#movedAtMs = nowMs;
    this.#last = now;
    return nowMs - this.#movedAtMs >= this.#stallMsMax;
  }
}

/** New writes alone are no progress: the kernel takes megabytes for a peer that is gone. */
function hasMoved(last: Progress, now: Progress): boolean {
  if (now.heldBytes === undefined) return !now.isWriting || now.sentBytes !== last.sentBytes;
  if (now.heldBytes === 0) return true;
  if (now.isWriting && last.isWriting && now.heldBytes !== last.heldBytes) return true;
  return now.sentBytes - now.heldBytes > last.sentBytes - (last.heldBytes ?? 0);
}

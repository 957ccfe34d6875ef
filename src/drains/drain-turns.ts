import type { LoopShare } from '../core/loop-share.ts';

/** A batch or two: then it is the turn of others. */
const yieldBytes = 64 * 1024;
/** A turn has its price, whatever is sent in it: all drains of a node may come at once, as with its start. */
const turnBytesMin = 8 * 1024;

/** When one drain lets the others go first. Between drains the event loop is shared by bytes. */
export class DrainTurns {
  readonly #catchUp: LoopShare;
  #bytesSinceYield = 0;
  /** Sent since it last waited for its turn. */
  #unpaidBytes = 0;

  constructor({ catchUp }: { readonly catchUp: LoopShare }) {
    this.#catchUp = catchUp;
  }

  /** Resolves when a batch of so many bytes may go: a page that is in memory must not be sent in one turn of the loop. */
  async spend(bytes: number): Promise<void> {
    this.#unpaidBytes += bytes;
    this.#bytesSinceYield += bytes;
    if (this.#bytesSinceYield < yieldBytes) return;
    this.#bytesSinceYield = 0;
    await new Promise((resolve) => setImmediate(resolve));
  }

  /** What is live goes first: while `mustWait`, it is for a turn, paid with what was sent since the last one. */
  async next({ mustWait, signal }: { mustWait: boolean; signal: AbortSignal }): Promise<void> {
    const bytes = Math.max(this.#unpaidBytes, turnBytesMin);
    this.#unpaidBytes = 0;
    if (mustWait) await this.#catchUp.take(bytes, signal);
  }
}

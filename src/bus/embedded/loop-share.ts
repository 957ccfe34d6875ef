interface Waiting {
  readonly bytes: number;
  readonly resolve: () => void;
}

/**
 * How much of what was read is handed out in one turn of the event loop. Each page makes its reader busy for as long
 * as it takes to send it on: where a thousand of them came in one turn, live lines and the answers of the disk would
 * wait for all of that.
 */
export class LoopShare {
  readonly #options: { readonly bytesMax: number };
  readonly #released: () => void;
  #waiting: Waiting[] = [];
  #waitingBytes = 0;
  #givenBytes = 0;
  #isCounting = false;

  /** `released` is called when fewer wait than before. */
  constructor(options: { readonly bytesMax: number }, parts: { readonly released: () => void }) {
    this.#options = options;
    this.#released = parts.released;
  }

  /** Of those who have read and wait for their turn. */
  get waitingBytes(): number {
    return this.#waitingBytes;
  }

  /** Resolves in the turn that has room for it, in the order of asking; whatever its size, each turn takes one. */
  take(bytes: number): Promise<void> {
    if (this.#waiting.length === 0 && !this.#isSpent) {
      this.#give(bytes);
      return Promise.resolve();
    }
    this.#waitingBytes += bytes;
    return new Promise((resolve) => this.#waiting.push({ bytes, resolve }));
  }

  get #isSpent(): boolean {
    return this.#givenBytes >= this.#options.bytesMax;
  }

  #give(bytes: number): void {
    this.#givenBytes += bytes;
    if (this.#isCounting) return;
    this.#isCounting = true;
    setImmediate(() => this.#nextTurn());
  }

  #nextTurn(): void {
    this.#isCounting = false;
    this.#givenBytes = 0;
    let released = 0;
    for (const { bytes, resolve } of this.#waiting) {
      if (this.#isSpent) break;
      this.#give(bytes);
      this.#waitingBytes -= bytes;
      released++;
      resolve();
    }
    this.#waiting.splice(0, released);
    if (released > 0) this.#released();
  }
}

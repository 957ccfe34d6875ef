/**
 * Whose turn it is, by bytes: deficit round robin. A flow that is served more than its quantum waits for as many
 * rounds as that takes to pay off, also when it went away in between; what nobody else waits for costs nothing.
 */
export class FairRing<Flow> {
  readonly #quantumBytes: number;
  /** In the order of the round, the next one first: what each may still have in this round; less than 0 is a debt. */
  readonly #credits = new Map<Flow, number>();
  readonly #waiting = new Set<Flow>();

  constructor(options: { readonly quantumBytes: number }) {
    this.#quantumBytes = options.quantumBytes;
  }

  /** The flow has something to be served. */
  enter(flow: Flow): void {
    this.#waiting.add(flow);
    if (!this.#credits.has(flow)) this.#credits.set(flow, 0);
  }

  /** The flow has nothing more; its debt stays. */
  leave(flow: Flow): void {
    this.#waiting.delete(flow);
    const credit = this.#credits.get(flow) ?? 0;
    if (credit >= 0) this.#credits.delete(flow);
  }

  /** The flow was given so many bytes, in its turn or beside it. */
  charge(flow: Flow, bytes: number): void {
    const credit = (this.#credits.get(flow) ?? 0) - bytes;
    if (credit < 0 || this.#waiting.has(flow)) this.#credits.set(flow, credit);
    else this.#credits.delete(flow);
  }

  /** Who is served next; undefined when nobody waits. */
  next(): Flow | undefined {
    if (this.#waiting.size === 0) {
      // Without anybody who would have had to wait there are no debts.
      this.#credits.clear();
      return undefined;
    }
    for (;;) {
      const [first] = this.#credits;
      if (!first) return undefined;
      const [flow, credit] = first;
      const isWaiting = this.#waiting.has(flow);
      if (isWaiting && credit > 0) return flow;
      this.#credits.delete(flow);
      const more = credit + this.#quantumBytes;
      if (isWaiting || more < 0) this.#credits.set(flow, more);
    }
  }
}

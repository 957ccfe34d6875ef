/**
 * Whose turn it is, by bytes: deficit round robin. A flow that is served more than its quantum waits for as many
 * rounds as that takes to pay off, also when it went away in between; what nobody else waits for costs nothing.
 */
export class FairRing<Flow> {
  readonly #quantumBytes: number;
  /** In the order of the round, the next one first: what each may still have in this round; less than 0 is a debt. */
  readonly #credits = new Map<Flow, number>();
  readonly #waiting = new Set<Flow>();
  /** Flows that are being served, and how often at once: until that is over they keep their place and their credit. */
  readonly #served = new Map<Flow, number>();

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
    this.#forget(flow);
  }

  /** Something of the flow is being served; {@link end} follows, after it has entered again for what is left. */
  begin(flow: Flow): void {
    this.#served.set(flow, (this.#served.get(flow) ?? 0) + 1);
  }

  end(flow: Flow): void {
    const left = (this.#served.get(flow) ?? 1) - 1;
    if (left > 0) this.#served.set(flow, left);
    else this.#served.delete(flow);
    this.#forget(flow);
  }

  /** The flow was given so many bytes, in its turn or beside it. */
  charge(flow: Flow, bytes: number): void {
    this.#credits.set(flow, (this.#credits.get(flow) ?? 0) - bytes);
    this.#forget(flow);
  }

  /** Who is served next; undefined when nobody waits. */
  next(): Flow | undefined {
    if (this.#waiting.size === 0) {
      // Without anybody who would have had to wait there are no debts.
      if (this.#served.size === 0) this.#credits.clear();
      return undefined;
    }
    // Who is put back comes again in this loop.
    for (const [flow, credit] of this.#credits) {
      const isWaiting = this.#waiting.has(flow);
      if (isWaiting && credit > 0) return flow;
      if (credit > 0 && this.#served.has(flow)) continue;
      this.#credits.delete(flow);
      this.#credits.set(flow, credit + this.#quantumBytes);
      this.#forget(flow);
    }
    return undefined;
  }

  /** Only a debt outlives what the flow waited for. */
  #forget(flow: Flow): void {
    if (this.#waiting.has(flow) || this.#served.has(flow)) return;
    if ((this.#credits.get(flow) ?? 0) >= 0) this.#credits.delete(flow);
  }
}

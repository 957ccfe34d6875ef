/** A growing set of small numbers, a bit each. */
export class NumberSet {
  #bits: Uint8Array;
  size = 0;

  constructor(bits: Uint8Array = new Uint8Array(1024)) {
    this.#bits = bits;
    for (const byte of bits) for (let b = byte; b > 0; b &= b - 1) this.size++;
  }

  has(value: number): boolean {
    return (((this.#bits[value >>> 3] ?? 0) >>> (value & 7)) & 1) === 1;
  }

  add(value: number): void {
    if (this.has(value)) return;
    const at = value >>> 3;
    if (at >= this.#bits.length) {
      const grown = new Uint8Array(Math.max(at + 1, this.#bits.length * 2));
      grown.set(this.#bits);
      this.#bits = grown;
    }
    this.#bits[at] = (this.#bits[at] as number) | (1 << (value & 7));
    this.size++;
  }

  /** What {@link NumberSet} can be made of again. */
  get bits(): Uint8Array {
    return this.#bits;
  }
}

/** What the sender of one source knows of its lines. */
export interface SentSnapshot {
  readonly app: number;
  readonly source: number;
  readonly kind: 'generic' | 'shuttle';
  /** Sequences given out: those of the container. Some may never have been sent. */
  readonly produced: number;
  readonly sent: Uint8Array;
  readonly acked: Uint8Array;
}

/**
 * Lines of one source: sent once a byte of them may have left, acknowledged once a 2xx has been read. What is sent
 * and not acknowledged may arrive and need not; what is acknowledged is an obligation.
 */
export class SentLedger {
  readonly app: number;
  readonly source: number;
  readonly kind: 'generic' | 'shuttle';
  produced = 0;
  readonly #sent = new NumberSet();
  readonly #acked = new NumberSet();

  constructor(of: Pick<SentSnapshot, 'app' | 'source' | 'kind'>) {
    this.app = of.app;
    this.source = of.source;
    this.kind = of.kind;
  }

  get acked(): number {
    return this.#acked.size;
  }

  sending(from: number, count: number): void {
    for (let n = from; n < from + count; n++) this.#sent.add(n);
  }

  acknowledged(from: number, count: number): void {
    for (let n = from; n < from + count; n++) this.#acked.add(n);
  }

  snapshot(): SentSnapshot {
    const { app, source, kind, produced } = this;
    return { app, source, kind, produced, sent: this.#sent.bits, acked: this.#acked.bits };
  }
}

import type { BodyPool } from './body-pool.ts';

/** Where a batch ends. */
export interface BatchLimits {
  readonly bytesMax: number;
  /** Messages, those that are filtered out not counted. */
  readonly linesMax: number;
}

/**
 * The body of one batch while it is put together: one growing buffer, written by encoders at
 * `buffer[length…]` after {@link reserve}. The counters are of the body since {@link begin}.
 */
export class FrameBuilder {
  buffer: Buffer = nothing;
  length = 0;
  /** Messages in the body. */
  messages = 0;
  /** Lines that were looked at and left out, because the owner did not want them. */
  filtered = 0;
  readonly #pool: BodyPool | undefined;
  #bytesMax = 0;
  #linesMax = 0;

  /** Small bodies have memory of their own; larger ones have that of the pool. */
  constructor(pool?: BodyPool) {
    this.#pool = pool;
  }

  /** Starts a new body. */
  begin(limits: BatchLimits): void {
    this.length = 0;
    this.messages = 0;
    this.filtered = 0;
    this.#bytesMax = limits.bytesMax;
    this.#linesMax = limits.linesMax;
  }

  /** Whether the batch is as large as it may be, without regard to what would come next. */
  get isFull(): boolean {
    return this.messages >= this.#linesMax || this.length >= this.#bytesMax;
  }

  /** Whether a message of `bytes` still belongs into this batch. A batch always takes its first. */
  fits(bytes: number): boolean {
    return (
      this.messages === 0 ||
      (this.length + bytes <= this.#bytesMax && this.messages < this.#linesMax)
    );
  }

  /** Makes sure that `bytes` more can be written. */
  reserve(bytes: number): void {
    const needed = this.length + bytes;
    if (needed > this.buffer.length) this.#grow(needed);
  }

  /** The body; the builder forgets it, so that it stays as it is. {@link recycle} may bring it back. */
  take(): Buffer {
    const body = this.buffer.subarray(0, this.length);
    this.buffer = nothing;
    this.length = 0;
    return body;
  }

  /** Gives a taken body's memory back when nobody reads it any more; call before the next {@link begin}. */
  recycle({ buffer: memory, byteOffset }: Buffer): void {
    if (byteOffset !== 0 || !(memory instanceof ArrayBuffer)) return;
    if (memory.byteLength > ownBytes) this.#pool?.give(memory);
    else if (this.buffer.length === 0) this.buffer = Buffer.from(memory);
  }

  #grow(needed: number): void {
    const old = this.buffer;
    this.buffer = this.#memory(needed, Math.max(needed, old.length * 2));
    old.copy(this.buffer, 0, 0, this.length);
    if (old.length > ownBytes) this.#pool?.give(old.buffer as ArrayBuffer);
  }

  /** Never of Node's pool: a slice of it could not be handed on and given back. */
  #memory(needed: number, bytes: number): Buffer {
    if (needed <= ownBytes) return Buffer.allocUnsafeSlow(ownBytes);
    return this.#pool?.take(bytes) ?? Buffer.allocUnsafeSlow(bytes);
  }
}

const nothing = Buffer.alloc(0);
const ownBytes = 8 * 1024;

import type { Extent } from './extent.ts';
import type { Segment } from './segment.ts';

export interface BlockCacheOptions {
  readonly blockBytes: number;
  readonly bytesMax: number;
}

/** A block that is kept, and the memory for it. */
interface Slot {
  segment: Segment | undefined;
  block: number;
  /** How much of the block was durable when it was read. */
  length: number;
  readonly bytes: Buffer;
}

/**
 * Blocks of segments that were read last. Drains that lag behind since the same moment go through the same part of the
 * log together, and what one of them reads lies between the records of the others. Each block has one place where it
 * may be (direct mapping), so that blocks in a row never displace each other and nothing is allocated but the slots.
 */
export class BlockCache {
  readonly #blockBytes: number;
  readonly #slots: (Slot | undefined)[];

  constructor({ blockBytes, bytesMax }: BlockCacheOptions) {
    this.#blockBytes = blockBytes;
    const slots = Math.max(1, Math.floor(bytesMax / blockBytes));
    this.#slots = Array.from({ length: slots }, () => undefined);
  }

  /** Keeps the blocks of what was read from `fileAt` on, which is a multiple of a block; all of it is durable. */
  put(segment: Segment, fileAt: number, read: Buffer): void {
    const block = fileAt / this.#blockBytes;
    for (let i = 0; i * this.#blockBytes < read.length; i++) {
      const slot = this.#slotFor(segment, block + i);
      slot.segment = segment;
      slot.block = block + i;
      slot.length = read.copy(slot.bytes, 0, i * this.#blockBytes, (i + 1) * this.#blockBytes);
    }
  }

  has(segment: Segment, { fileAt, bytes }: Extent): boolean {
    const end = fileAt + bytes;
    for (let from = fileAt; from < end; from = this.#endOfBlock(from, end)) {
      if (!this.#find(segment, from, this.#endOfBlock(from, end))) return false;
    }
    return true;
  }

  /** Copies the extent, which it {@link has}, to `at` in `into`; returns bytes. */
  copy(segment: Segment, { fileAt, bytes }: Extent, into: Buffer, at: number): number {
    const end = fileAt + bytes;
    for (let from = fileAt; from < end; from = this.#endOfBlock(from, end)) {
      const slot = this.#find(segment, from, this.#endOfBlock(from, end));
      const start = from % this.#blockBytes;
      slot?.bytes.copy(into, at + from - fileAt, start, start + end - from);
    }
    return bytes;
  }

  #endOfBlock(at: number, end: number): number {
    return Math.min(end, at - (at % this.#blockBytes) + this.#blockBytes);
  }

  /** The slot that holds [from, end), which lies in one block. */
  #find(segment: Segment, from: number, end: number): Slot | undefined {
    const block = Math.floor(from / this.#blockBytes);
    const slot = this.#slots[this.#slotNumber(segment, block)];
    const isIt = slot?.segment === segment && slot.block === block;
    return isIt && slot.length >= end - block * this.#blockBytes ? slot : undefined;
  }

  #slotFor(segment: Segment, block: number): Slot {
    return (this.#slots[this.#slotNumber(segment, block)] ??= {
      segment: undefined,
      block: 0,
      length: 0,
      bytes: Buffer.allocUnsafeSlow(this.#blockBytes),
    });
  }

  #slotNumber(segment: Segment, block: number): number {
    return (segment.base + block) % this.#slots.length;
  }
}

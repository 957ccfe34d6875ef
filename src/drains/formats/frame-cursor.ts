import type { EncodableLines } from './encoder.ts';

/**
 * Finds the bytes where a line of a record begins. Remembers the last place of the same record, because a
 * record that is larger than a batch is read in pieces.
 */
export class FrameCursor {
  /** By its number, all of them being of one app: its bytes are part of a page, which must not be kept for this. */
  #record: number | undefined;
  #line = 0;
  #at = 0;

  /** The offset of the frame of `line` in the record's frames. */
  seek({ position, record: { frames } }: EncodableLines, line: number): number {
    if (line === 0) return 0;
    const isKnown = this.#record === position.offset && this.#line <= line;
    let at = isKnown ? this.#at : 0;
    for (let skip = line - (isKnown ? this.#line : 0); skip > 0; skip--) {
      at = frameEnd(frames, at);
    }
    return at;
  }

  /** Remembers that the frame of `line` begins at `at`. */
  remember({ position }: EncodableLines, line: number, at: number): void {
    this.#record = position.offset;
    this.#line = line;
    this.#at = at;
  }

  /** Lets the record go. */
  forget(): void {
    this.#record = undefined;
  }
}

/** The end of the octet-counted frame (RFC 6587 §3.4.1) that begins at `at`; frames of a record are valid. */
function frameEnd(frames: Buffer, at: number): number {
  let count = 0;
  let after = at;
  for (let byte = frames[after++] as number; byte !== 0x20; byte = frames[after++] as number) {
    count = count * 10 + byte - 0x30;
  }
  return after + count;
}

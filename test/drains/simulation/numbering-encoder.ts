import type { StoredRecord } from '../../../src/bus/bus.ts';
import { notices } from '../../../src/core/notices.ts';
import type { BatchEncoder } from '../../../src/drains/batch-cutter.ts';
import type { OverflowReport } from '../../../src/drains/drain-books.ts';
import { textsOf } from '../../support/records.ts';

/** Lines that their owner does not want end so. */
export const isUnwanted = (text: string): boolean => text.endsWith('~');

/** Encodes a line as its number, its text and LF; leaves out what its owner does not want. */
export class NumberingEncoder implements BatchEncoder {
  readonly #gap: string;
  #texts: string[] = [];
  #bytes = 0;
  #bytesMax = 0;

  /** `gap` stands between number and text: what the drain's options say. */
  constructor(gap = ' ') {
    this.#gap = gap;
  }

  get messages(): number {
    return this.#texts.length;
  }

  get isFull(): boolean {
    return this.#bytes >= this.#bytesMax;
  }

  begin(bytesMax: number): void {
    this.#bytesMax = bytesMax;
    this.#texts = [];
    this.#bytes = 0;
  }

  overflow({ count, sinceMs, exact }: OverflowReport): void {
    this.#add(notices.drainOverflow(count, sinceMs, exact));
  }

  lines(stored: StoredRecord, fromLine: number, toLine: number): number {
    const texts = textsOf(stored.record.frames);
    for (let line = fromLine; line < toLine; line++) {
      const text = `${stored.appSeq + line}${this.#gap}${texts[line] ?? ''}`;
      if (isUnwanted(text)) continue;
      if (this.messages > 0 && this.#bytes + text.length > this.#bytesMax) return line;
      this.#add(text);
    }
    return toLine;
  }

  finish(): Buffer {
    return Buffer.from(this.#texts.map((text) => `${text}\n`).join(''));
  }

  recycle(body: Buffer): void {
    // Whoever still reads it finds nonsense.
    body.fill('?');
  }

  #add(text: string): void {
    this.#texts.push(text);
    this.#bytes += text.length + 1;
  }
}

import type { StoredRecord } from '../bus/bus.ts';
import { notices } from '../core/notices.ts';
import type { BatchEncoder } from './batch-cutter.ts';
import type { OverflowReport } from './drain-books.ts';
import type { Encoder } from './formats/encoder.ts';
import { FrameBuilder } from './formats/frame-builder.ts';

/** The bodies of one drain's batches, one after the other, in its format. */
export class BatchBody implements BatchEncoder {
  readonly #encoder: Encoder;
  readonly #builder = new FrameBuilder();

  constructor(parts: { encoder: Encoder }) {
    this.#encoder = parts.encoder;
  }

  get messages(): number {
    return this.#builder.messages;
  }

  get isFull(): boolean {
    return this.#builder.isFull;
  }

  begin(bytesMax: number): void {
    this.#builder.begin({ bytesMax, linesMax: Infinity });
  }

  overflow(report: OverflowReport): void {
    const text = notices.drainOverflow(report.count, report.sinceMs, report.exact);
    this.#encoder.encodeNotice(text, report.atMs, this.#builder);
  }

  lines(stored: StoredRecord, fromLine: number, toLine: number): number {
    return this.#encoder.encode(stored.record, fromLine, toLine, this.#builder);
  }

  finish(): Buffer {
    return this.#builder.take();
  }

  recycle(body: Buffer): void {
    this.#builder.recycle(body);
  }
}

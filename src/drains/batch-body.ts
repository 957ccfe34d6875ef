import type { StoredRecord } from '../bus/bus.ts';
import { notices } from '../core/notices.ts';
import type { BatchEncoder } from './batch-cutter.ts';
import type { OverflowReport } from './drain-books.ts';
import type { BodyPool } from './formats/body-pool.ts';
import type { Encoder, LineFilter } from './formats/encoder.ts';
import { FrameBuilder } from './formats/frame-builder.ts';

/** The bodies of one drain's batches, one after the other, in its format. */
export class BatchBody implements BatchEncoder {
  readonly #encoder: Encoder;
  readonly #keep: LineFilter | undefined;
  readonly #builder: FrameBuilder;

  constructor(parts: { encoder: Encoder; keep?: LineFilter | undefined; bodies?: BodyPool }) {
    this.#encoder = parts.encoder;
    this.#keep = parts.keep;
    this.#builder = new FrameBuilder(parts.bodies);
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
    return this.#encoder.encode(stored, fromLine, toLine, this.#builder, this.#keep);
  }

  finish(): Buffer {
    this.#encoder.finish(this.#builder);
    return this.#builder.take();
  }

  recycle(body: Buffer): void {
    this.#builder.recycle(body);
  }
}

import { cutRecord, type RecordSlice } from './record-slice.ts';
import { jsonOf, textOf } from './tail-line.ts';

/**
 * Consecutive lines of one app, to be written at once. What a plain tail or a websocket sends for them is made
 * when the first one asks, and shared by all. Filters of a session would stand between the slices and these.
 */
export class LineBatch {
  readonly slices: readonly RecordSlice[];
  /** The batch's lines have the appSeq [fromSeq, toSeq), without holes. */
  readonly fromSeq: number;
  readonly toSeq: number;
  #text: Buffer | undefined;
  #json: Buffer | undefined;

  constructor(slices: readonly [RecordSlice, ...RecordSlice[]]) {
    this.slices = slices;
    this.fromSeq = slices[0].seq;
    this.toSeq = slices.reduce((seq, slice) => seq + slice.lines, this.fromSeq);
  }

  get lines(): number {
    return this.toSeq - this.fromSeq;
  }

  text(): Buffer {
    return (this.#text ??= textOf(this.slices));
  }

  json(): Buffer {
    return (this.#json ??= jsonOf(this.slices));
  }

  /** The lines from `seq` on, which lies within the batch. */
  from(seq: number): LineBatch {
    const [first, ...rest] = this.slices.flatMap((slice) =>
      cutRecord(slice.stored, Math.max(seq, slice.seq), slice.seq + slice.lines, Infinity),
    );
    return first ? new LineBatch([first, ...rest]) : this;
  }
}

/**
 * Takes the next batch off the front of `slices`: at most `bytesMax` (but at least one slice), and none of what
 * comes after a hole in the numbers, so that who gets it can see the hole.
 */
export function takeBatch(slices: RecordSlice[], bytesMax: number): LineBatch | undefined {
  const [first] = slices;
  if (!first) return undefined;
  let bytes = first.end - first.start;
  let seq = first.seq + first.lines;
  let count = 1;
  for (let next = slices[count]; next?.seq === seq; next = slices[count]) {
    bytes += next.end - next.start;
    if (bytes > bytesMax) break;
    seq += next.lines;
    count++;
  }
  return new LineBatch([first, ...slices.splice(0, count).slice(1)]);
}

import type { DrainId } from '../core/ids.ts';
import type { StoredRecord } from '../bus/bus.ts';
import type { OverflowReport } from './drain-books.ts';
import type { Item } from './line-source.ts';
import { placeIn, type Place } from './place.ts';

/** Puts the bodies of one drain's batches together, one after the other. */
export interface BatchEncoder {
  /** Starts a body that is to have at most `bytesMax` bytes; its first message it gets whatever its size. */
  begin(bytesMax: number): void;
  /** The drain's own L10, as the first message. */
  overflow(report: OverflowReport): void;
  /**
   * Appends the record's lines [fromLine, toLine) as messages. Returns the line it stopped at: `toLine`, or
   * the first that the body had no room for.
   */
  lines(stored: StoredRecord, fromLine: number, toLine: number): number;
  /** Messages in the body, the L10 included. */
  readonly messages: number;
  readonly isFull: boolean;
  finish(): Buffer;
  /** Takes a body's memory back, which nobody reads any more. */
  recycle(body: Buffer): void;
}

export interface CutLimits {
  readonly bytesMax: number;
  /** Lines of the app, those that are filtered out included. */
  readonly linesMax: number;
}

/** A batch as it was cut from the queue. */
export interface Cut {
  readonly from: Place;
  readonly to: Place;
  /** Lines of the app in the range. */
  readonly lines: number;
  /** Messages of the app in the body: `lines` less the filtered ones; the L10 is not counted. */
  readonly messages: number;
  readonly overflow: OverflowReport | undefined;
  /** Receipt time of its last record, ms since 1970. */
  readonly lastLineMs: number;
  readonly body: Buffer;
}

/**
 * Cuts the next batch from the front of `items`, up to the first gap. Undefined when there is no record at the
 * front. Where nothing but filtered lines is found, the cut has no messages.
 */
export function cutBatch(
  items: Iterable<Item>,
  limits: CutLimits,
  encoder: BatchEncoder,
  drain: { id: DrainId; overflow: OverflowReport | undefined },
): Cut | undefined {
  let from: Place | undefined;
  let last: StoredRecord | undefined;
  let lastStop = 0;
  let lines = 0;
  encoder.begin(limits.bytesMax);
  for (const item of items) {
    if (item.kind !== 'record' || encoder.isFull) break;
    // A range of no lines at all is an L10 that goes alone.
    if (from && lines >= limits.linesMax) break;
    if (!from) {
      from = placeIn(item.stored, item.fromLine);
      if (drain.overflow) encoder.overflow(drain.overflow);
    }
    const end = Math.min(item.stored.record.lines, item.fromLine + limits.linesMax - lines);
    const isOwn = item.stored.record.notice?.exceptDrain === drain.id;
    const stop = isOwn ? end : encoder.lines(item.stored, item.fromLine, end);
    lines += stop - item.fromLine;
    if (stop > item.fromLine || stop === item.stored.record.lines) {
      last = item.stored;
      lastStop = stop;
    }
    if (stop < item.stored.record.lines) break;
  }
  // The L10 may leave no room for the first line: then it goes alone.
  const to = last ? placeIn(last, lastStop) : drain.overflow && from;
  if (!from || !to) return undefined;
  const messages = encoder.messages - (drain.overflow ? 1 : 0);
  const overflow = drain.overflow;
  const lastLineMs = last?.record.receivedAtMs ?? 0;
  return { from, to, lines, messages, overflow, lastLineMs, body: encoder.finish() };
}

/** 32 hex digits: drain(8) from-offset(12) from-line(4) lines(8). A function of the range, so that a retry cannot change it. */
export function frameId(drain: DrainId, from: Place, lines: number): string {
  return hex(drain, 8) + hex(from.position.offset, 12) + hex(from.position.line, 4) + hex(lines, 8);
}

function hex(value: number, digits: number): string {
  return value.toString(16).padStart(digits, '0').slice(-digits);
}

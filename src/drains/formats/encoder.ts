import type { Position } from '../../core/position.ts';
import type { LogRecord } from '../../core/record.ts';
import type { Header } from '../../syslog/header.ts';
import type { FrameBuilder } from './frame-builder.ts';

/**
 * Turns stored lines into what one drain sends. The same lines with the same options are always the same
 * bytes. An instance belongs to one drain: it remembers where it stopped within a record.
 */
export interface Encoder {
  /**
   * Appends the record's lines [fromLine, toLine) to `out`, without those that `keep` does not want,
   * and returns the line where it stopped: `toLine`, or the first one that the batch had no room for.
   */
  encode(
    stored: EncodableLines,
    fromLine: number,
    toLine: number,
    out: FrameBuilder,
    keep?: LineFilter,
  ): number;
  /** Appends one line of our own (the drain's L10), whatever the limits of the batch. */
  encodeNotice(text: string, atMs: number, out: FrameBuilder): void;
  /** Appends what the format has after its last message. */
  finish(out: FrameBuilder): void;
}

/** What an encoder reads of a stored record. */
export interface EncodableLines {
  /** Of the record's first line. */
  readonly position: Position;
  readonly record: Pick<LogRecord, 'frames' | 'receivedAtMs'>;
}

/** Whether the owner wants the line whose parts are at `header` in `bytes`. Must not keep either. */
export type LineFilter = (header: Header, bytes: Buffer) => boolean;

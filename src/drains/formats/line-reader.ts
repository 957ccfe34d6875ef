import { InvariantError } from '../../core/errors.ts';
import { noticeFrame } from '../../core/notices.ts';
import { formatPosition } from '../../core/position.ts';
import { Header, scanHeader } from '../../syslog/header.ts';
import type { EncodableLines, LineFilter } from './encoder.ts';
import type { FrameBuilder } from './frame-builder.ts';
import { FrameCursor } from './frame-cursor.ts';
import { cutText, strippedText, type TextRules } from './line-text.ts';
import { textEnd } from './replaced-text.ts';

/** One line, taken apart for a format that needs its parts as text. */
export interface ReadLine {
  /** As the sender wrote it; undefined when it is not a time of RFC 5424 §6.2.3. */
  readonly time: string | undefined;
  readonly receivedAtMs: number;
  /** 0–7 (RFC 5424 §6.2.1). */
  readonly severity: number;
  /** NIL fields are undefined. */
  readonly host: string | undefined;
  readonly app: string | undefined;
  readonly proc: string | undefined;
  /** Without final LF, as the owner wants it. */
  readonly text: Buffer;
  /** Where the line is in the log; undefined for one of our own that is not. */
  readonly position: string | undefined;
}

export interface LineReaderOptions {
  /** HOSTNAME of every line, instead of the sender's. */
  readonly hostname: string | undefined;
  readonly text: TextRules & { readonly messageBytesMax: number };
}

/** Reads stored lines one by one. Belongs to one encoder. */
export class LineReader {
  readonly #options: LineReaderOptions;
  readonly #header = new Header();
  readonly #cursor = new FrameCursor();

  constructor(options: LineReaderOptions) {
    this.#options = options;
  }

  /**
   * Hands the lines [fromLine, toLine) that `keep` wants to `put`, until it says false because the batch has no
   * room for one. Returns the line where it stopped.
   */
  each(
    stored: EncodableLines,
    [fromLine, toLine]: readonly [number, number],
    out: FrameBuilder,
    keep: LineFilter | undefined,
    put: (line: ReadLine) => boolean,
  ): number {
    const { frames, receivedAtMs } = stored.record;
    let at = this.#cursor.seek(stored, fromLine);
    for (let line = fromLine; line < toLine; line++) {
      const start = frames.indexOf(0x20, at) + 1;
      const end = start + Number(frames.toString('latin1', at, start - 1));
      if (!scanHeader(frames, start, end, this.#header))
        throw new InvariantError('a stored line is none');
      const position = formatPosition({ ...stored.position, line });
      if (keep && !keep(this.#header, frames)) out.filtered++;
      else if (!put(this.#read(frames, receivedAtMs, position))) {
        this.#cursor.remember(stored, line, at);
        return line;
      }
      at = end;
    }
    this.#cursor.forget();
    return toLine;
  }

  /** A line of our own, as if it were stored. */
  notice(text: string, atMs: number): ReadLine {
    const frame = noticeFrame(text, atMs);
    if (!scanHeader(frame, frame.indexOf(0x20) + 1, frame.length, this.#header))
      throw new InvariantError('no notice');
    return this.#read(frame, atMs, undefined);
  }

  #read(frames: Buffer, receivedAtMs: number, position: string | undefined): ReadLine {
    const header = this.#header;
    const { hostname, text: rules } = this.#options;
    const raw = frames.subarray(header.messageStart, textEnd(frames, header));
    const time = field(frames, header.timeStart, header.timeEnd);
    return {
      time: time !== undefined && isTime(time) ? time : undefined,
      receivedAtMs,
      severity: header.severity,
      host: hostname ?? field(frames, header.hostStart, header.hostEnd),
      app: field(frames, header.appStart, header.appEnd),
      proc: field(frames, header.procStart, header.procEnd),
      text: cutText(strippedText(raw, rules), rules.messageBytesMax),
      position,
    };
  }
}

/** Appends text that has been put together as a string. */
export function appendText(text: string, bytes: number, out: FrameBuilder): void {
  out.reserve(bytes);
  out.length += out.buffer.write(text, out.length);
}

function field(frames: Buffer, start: number, end: number): string | undefined {
  if (end - start === 1 && frames[start] === 0x2d) return undefined;
  return frames.toString('utf8', start, end);
}

function isTime(text: string): boolean {
  return rfc3339.test(text) && !Number.isNaN(Date.parse(text));
}

const rfc3339 = /^\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)$/;

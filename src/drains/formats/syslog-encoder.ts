import { InvariantError } from '../../core/errors.ts';
import { noticeFrame } from '../../core/notices.ts';
import { Header, scanHeader } from '../../syslog/header.ts';
import type { EncodableLines, Encoder, LineFilter } from './encoder.ts';
import type { FrameBuilder } from './frame-builder.ts';
import { FrameCursor } from './frame-cursor.ts';
import { cutText, strippedText, type TextRules } from './line-text.ts';
import { textEnd, withText } from './replaced-text.ts';

/** How one dialect of RFC 5424 writes what is not copied from the line. */
export interface Dialect {
  readonly hostname: string;
  /** What stands between PROCID and the text, spaces included. */
  readonly afterProcId: string;
  readonly appBytesMax: number;
  readonly procBytesMax: number;
  /** RFC 5424 §6 allows six digits; receivers reject or corrupt what has more. */
  readonly cutFraction: boolean;
}

/** logplex's body of an HTTPS drain: HOSTNAME is the word `host`, no STRUCTURED-DATA. */
export function logplexDialect(hostname = 'host'): Dialect {
  return {
    hostname,
    afterProcId: ' - ',
    appBytesMax: Infinity,
    procBytesMax: Infinity,
    cutFraction: false,
  };
}

/** RFC 5424 §6: MSGID nil, STRUCTURED-DATA nil or the same in every message, the fields within their limits. */
export function rfc5424Dialect(hostname: string, structuredData = '-'): Dialect {
  const afterProcId = ` - ${structuredData} `;
  return { hostname, afterProcId, appBytesMax: 48, procBytesMax: 128, cutFraction: true };
}

export interface SyslogEncoderOptions {
  readonly dialect: Dialect;
  /** Octet counts (RFC 6587 §3.4.1), or one message a line (§3.4.2), where LF in a text becomes a space. */
  readonly framing: 'octet' | 'lf';
  /** Undefined where texts stay as they are. */
  readonly text?: TextRules & {
    /** Bytes of a message without its count; the text of a longer one is cut. */
    readonly messageBytesMax: number;
  };
}

/** Lines as syslog messages. PRI and text are copied byte for byte, unless the owner wants the text changed. */
export class SyslogEncoder implements Encoder {
  readonly #dialect: Dialect;
  readonly #isCounted: boolean;
  readonly #host: Buffer;
  readonly #afterProcId: Buffer;
  readonly #text: SyslogEncoderOptions['text'];
  readonly #header = new Header();
  readonly #cursor = new FrameCursor();

  constructor({ dialect, framing, text }: SyslogEncoderOptions) {
    this.#dialect = dialect;
    this.#text = text;
    this.#isCounted = framing === 'octet';
    this.#host = Buffer.from(` ${dialect.hostname} `);
    this.#afterProcId = Buffer.from(dialect.afterProcId);
  }

  encode(
    stored: EncodableLines,
    fromLine: number,
    toLine: number,
    out: FrameBuilder,
    keep?: LineFilter,
  ): number {
    const header = this.#header;
    const { frames } = stored.record;
    let at = this.#cursor.seek(stored, fromLine);
    for (let line = fromLine; line < toLine; line++) {
      let start = at;
      let count = 0;
      for (let byte = frames[start++] as number; byte !== 0x20; byte = frames[start++] as number) {
        count = count * 10 + byte - 0x30;
      }
      const end = start + count;
      if (!scanHeader(frames, start, end, header))
        throw new InvariantError('a stored line is none');
      if (keep && !keep(header, frames)) out.filtered++;
      else if (!this.#put(this.#text ? this.#tamed(frames, this.#text) : frames, out)) {
        this.#cursor.remember(stored, line, at);
        return line;
      }
      at = end;
    }
    this.#cursor.forget();
    return toLine;
  }

  encodeNotice(text: string, atMs: number, out: FrameBuilder): void {
    const frame = noticeFrame(text, atMs);
    const start = frame.indexOf(0x20) + 1;
    if (!scanHeader(frame, start, frame.length, this.#header))
      throw new InvariantError('no notice');
    this.#write(frame, this.#lengthOf(frame), out);
  }

  finish(): void {
    // A syslog message needs nothing after it.
  }

  /** The message with its text as the rules want it; `#header` points into what is returned. */
  #tamed(frames: Buffer, rules: NonNullable<SyslogEncoderOptions['text']>): Buffer {
    const header = this.#header;
    const text = frames.subarray(header.messageStart, textEnd(frames, header));
    const otherBytes = this.#lengthOf(frames) - text.length;
    const tamed = cutText(strippedText(text, rules), rules.messageBytesMax - otherBytes);
    return tamed === text ? frames : withText(frames, header, tamed);
  }

  /** Writes the message that `#header` points at; false when the batch has no room for it. */
  #put(frames: Buffer, out: FrameBuilder): boolean {
    const length = this.#lengthOf(frames);
    if (!out.fits(this.#isCounted ? length + 1 + digitsOf(length) : length)) return false;
    this.#write(frames, length, out);
    return true;
  }

  /** Applies the dialect's limits to `#header`, and returns the bytes of the message. */
  #lengthOf(frames: Buffer): number {
    const header = this.#header;
    const { appBytesMax, procBytesMax } = this.#dialect;
    const appBytes = Math.min(header.appEnd - header.appStart, appBytesMax);
    const procBytes = Math.min(header.procEnd - header.procStart, procBytesMax);
    return (
      header.timeEnd -
      header.priStart -
      this.#fractionCut(frames) +
      this.#host.length +
      appBytes +
      1 +
      procBytes +
      this.#afterProcId.length +
      header.messageEnd -
      header.messageStart +
      (endsInLf(frames, header) ? 0 : 1)
    );
  }

  /** Digits of TIME's fraction beyond the sixth: `2026-01-01T00:00:00.123456789Z` has three. */
  #fractionCut(frames: Buffer): number {
    const first = this.#header.timeStart + fractionOffset;
    if (!this.#dialect.cutFraction || frames[first - 1] !== 0x2e) return 0;
    let at = first + fractionDigitsMax;
    while (at < this.#header.timeEnd && isDigit(frames[at] as number)) at++;
    return at - first - fractionDigitsMax;
  }

  #write(frames: Buffer, length: number, out: FrameBuilder): void {
    out.reserve(length + countBytesMax);
    if (this.#isCounted) writeCount(length, out);
    this.#writeTime(frames, out);
    append(this.#host, 0, this.#host.length, out);
    this.#writeNames(frames, out);
    append(this.#afterProcId, 0, this.#afterProcId.length, out);
    const { messageStart, messageEnd } = this.#header;
    const textAt = out.length;
    append(frames, messageStart, messageEnd, out);
    if (!endsInLf(frames, this.#header)) out.buffer[out.length++] = 0x0a;
    if (!this.#isCounted) flatten(out.buffer, textAt, out.length - 1);
    out.messages++;
  }

  /** `<PRI>1 TIME`, as it came but for digits beyond the sixth. */
  #writeTime(frames: Buffer, out: FrameBuilder): void {
    const { priStart, timeStart, timeEnd } = this.#header;
    const cut = this.#fractionCut(frames);
    if (cut === 0) return append(frames, priStart, timeEnd, out);
    const keptEnd = timeStart + fractionOffset + fractionDigitsMax;
    append(frames, priStart, keptEnd, out);
    return append(frames, keptEnd + cut, timeEnd, out);
  }

  /** `APP-NAME PROCID`. */
  #writeNames(frames: Buffer, out: FrameBuilder): void {
    const { appStart, appEnd, procStart, procEnd } = this.#header;
    const { appBytesMax, procBytesMax } = this.#dialect;
    const procCut = Math.min(procEnd, procStart + procBytesMax);
    if (appEnd - appStart <= appBytesMax) return append(frames, appStart, procCut, out);
    append(frames, appStart, appStart + appBytesMax, out);
    return append(frames, appEnd, procCut, out);
  }
}

/** Of the fraction in TIME: RFC 3339 puts `YYYY-MM-DDTHH:MM:SS.` before it. */
const fractionOffset = 20;
const fractionDigitsMax = 6;
const countBytesMax = 12;
/** Below this a loop is cheaper than a call into the runtime. */
const loopBytesMax = 12;

function append(from: Buffer, start: number, end: number, out: FrameBuilder): void {
  let at = out.length;
  if (end - start <= loopBytesMax) {
    const { buffer } = out;
    for (let read = start; read < end; read++) buffer[at++] = from[read] as number;
  } else {
    from.copy(out.buffer, at, start, end);
    at += end - start;
  }
  out.length = at;
}

function writeCount(count: number, out: FrameBuilder): void {
  const { buffer } = out;
  const end = out.length + digitsOf(count);
  let rest = count;
  for (let at = end - 1; at >= out.length; at--) {
    buffer[at] = 0x30 + (rest % 10);
    rest = (rest / 10) | 0;
  }
  buffer[end] = 0x20;
  out.length = end + 1;
}

function digitsOf(count: number): number {
  if (count < 100) return count < 10 ? 1 : 2;
  if (count < 1000) return 3;
  if (count < 10_000) return 4;
  return count < 100_000 ? 5 : String(count).length;
}

function endsInLf(frames: Buffer, header: Header): boolean {
  return header.messageEnd > header.messageStart && frames[header.messageEnd - 1] === 0x0a;
}

function isDigit(byte: number): boolean {
  return byte >= 0x30 && byte <= 0x39;
}

function flatten(buffer: Buffer, start: number, end: number): void {
  for (let at = start; at < end; at++) if (buffer[at] === 0x0a) buffer[at] = 0x20;
}

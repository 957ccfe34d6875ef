import { Header, scanHeader } from './header.ts';

export interface FrameRules {
  /** A text (what follows the header, its final LF not counted) that is longer is cut there. */
  readonly messageBytesMax: number;
  /** A header field that is equal to `token` becomes `name`. */
  readonly token: Buffer;
  readonly name: Buffer;
}

const lineFeed = 0x0a;
/** Room for a count with its space, and for the mark of a cut. */
const rewriteBytesMax = 64;
const spareBytes = 1024;
const rewritten = new Header();

/**
 * Puts the kept frames of one body together. Nothing is copied while they lie side by side and stay as they are;
 * from the first one on that does not, they are copied into a new buffer, run by run.
 */
export class FrameRewriter {
  /** Texts cut so far. */
  cut = 0;
  readonly #body: Buffer;
  readonly #rules: FrameRules;
  /** The run of untouched frames that may still grow. */
  #runStart = 0;
  #runEnd = 0;
  #out: Buffer | undefined;
  #outBytes = 0;

  constructor(body: Buffer, rules: FrameRules) {
    this.#body = body;
    this.#rules = rules;
  }

  /**
   * Keeps the frame in [start, end) of the body, whose parts `header` names. False, and nothing is kept, when the
   * frame would be none any more: the app's name can be longer than the token, and headers have a bound.
   * `skippedBytes` of its text came and are not in the body; then what is there of it is longer than it may be.
   */
  keep(start: number, end: number, header: Header, skippedBytes = 0): boolean {
    const { messageBytesMax, token } = this.#rules;
    const isLong =
      header.messageEnd - header.messageStart > messageBytesMax &&
      textEnd(this.#body, header) - header.messageStart > messageBytesMax;
    if (isLong || hasToken(this.#body, header, token)) {
      this.#flushRun();
      this.#runStart = this.#runEnd = end;
      return this.#rewrite(header, isLong, skippedBytes);
    }
    if (start !== this.#runEnd) {
      if (this.#runEnd > this.#runStart) this.#flushRun();
      this.#runStart = start;
    }
    this.#runEnd = end;
    return true;
  }

  /** Everything that was kept. */
  frames(): Buffer {
    if (!this.#out) {
      const isWhole = this.#runStart === 0 && this.#runEnd === this.#body.length;
      return isWhole ? this.#body : this.#body.subarray(this.#runStart, this.#runEnd);
    }
    this.#flushRun();
    return this.#out.subarray(0, this.#outBytes);
  }

  #flushRun(): void {
    const out = this.#room(this.#runEnd - this.#runStart);
    this.#outBytes += this.#body.copy(out, this.#outBytes, this.#runStart, this.#runEnd);
    this.#runStart = this.#runEnd;
  }

  /** The octet count is that of the new message. */
  #rewrite(header: Header, isLong: boolean, skippedBytes: number): boolean {
    const { token, name } = this.#rules;
    const body = this.#body;
    const end = textEnd(body, header);
    const keptEnd = isLong ? cutAt(body, header.messageStart, this.#rules.messageBytesMax) : end;
    const cutBytes = end - keptEnd + skippedBytes;
    const mark = isLong ? Buffer.from(` [… ${cutBytes} bytes cut]`) : undefined;
    const grown = fieldsEqual(body, header, token) * (name.length - token.length);
    const bytes =
      keptEnd - header.priStart + grown + (mark?.length ?? 0) + (header.messageEnd - end);
    const out = this.#room(bytes + rewriteBytesMax);
    const start = this.#outBytes + out.write(`${bytes} `, this.#outBytes, 'latin1');
    let at = this.#copyHeader(header, out, start);
    at += body.copy(out, at, header.msgIdEnd, keptEnd);
    if (mark) at += mark.copy(out, at);
    at += body.copy(out, at, end, header.messageEnd);
    if (!scanHeader(out, start, at, rewritten)) return false;
    if (isLong) this.cut++;
    this.#outBytes = at;
    return true;
  }

  /** Up to the end of MSGID. */
  #copyHeader(header: Header, out: Buffer, to: number): number {
    const { token, name } = this.#rules;
    const body = this.#body;
    let at = to;
    let from = header.priStart;
    const copyField = (start: number, end: number): void => {
      if (!isToken(body, start, end, token)) return;
      at += body.copy(out, at, from, start);
      at += name.copy(out, at);
      from = end;
    };
    copyField(header.timeStart, header.timeEnd);
    copyField(header.hostStart, header.hostEnd);
    copyField(header.appStart, header.appEnd);
    copyField(header.procStart, header.procEnd);
    copyField(header.msgIdStart, header.msgIdEnd);
    return at + body.copy(out, at, from, header.msgIdEnd);
  }

  #room(bytes: number): Buffer {
    const out = (this.#out ??= Buffer.allocUnsafe(this.#body.length + spareBytes));
    if (this.#outBytes + bytes <= out.length) return out;
    const larger = Buffer.allocUnsafe((this.#outBytes + bytes) * 2);
    out.copy(larger, 0, 0, this.#outBytes);
    this.#out = larger;
    return larger;
  }
}

/** The end of the text without its final LF. */
function textEnd(body: Buffer, header: Header): number {
  const end = header.messageEnd;
  return end > header.messageStart && body[end - 1] === lineFeed ? end - 1 : end;
}

/** At most `bytesMax` after `start`, and before a UTF-8 character that does not fit whole. */
function cutAt(body: Buffer, start: number, bytesMax: number): number {
  const limit = start + bytesMax;
  let lead = limit;
  while (lead > limit - 3 && isContinuation(body[lead])) lead--;
  return isContinuation(body[lead]) ? limit : lead;
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

function hasToken(body: Buffer, header: Header, token: Buffer): boolean {
  const { length } = token;
  const mayBe =
    header.appEnd - header.appStart === length ||
    header.hostEnd - header.hostStart === length ||
    header.procEnd - header.procStart === length ||
    header.msgIdEnd - header.msgIdStart === length ||
    header.timeEnd - header.timeStart === length;
  return mayBe && fieldsEqual(body, header, token) > 0;
}

function fieldsEqual(body: Buffer, header: Header, token: Buffer): number {
  return (
    Number(isToken(body, header.timeStart, header.timeEnd, token)) +
    Number(isToken(body, header.hostStart, header.hostEnd, token)) +
    Number(isToken(body, header.appStart, header.appEnd, token)) +
    Number(isToken(body, header.procStart, header.procEnd, token)) +
    Number(isToken(body, header.msgIdStart, header.msgIdEnd, token))
  );
}

function isToken(body: Buffer, start: number, end: number, token: Buffer): boolean {
  if (end - start !== token.length) return false;
  for (let i = 0; i < token.length; i++) {
    if (body[start + i] !== token[i]) return false;
  }
  return true;
}

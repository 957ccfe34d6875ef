/** One message as it came over a stream, its count or its final LF taken off. */
export interface FramedMessage {
  /** A view of what came. */
  readonly bytes: Buffer;
  /** Bytes at its end that came and were not kept, a final LF not counted. */
  readonly skippedBytes: number;
}

export interface StreamFramerOptions {
  /** What is kept of a message that comes in several pieces; all that a stream can make us remember. */
  readonly keptBytesMax: number;
}

/** A message of which the beginning was kept and the rest passes by. */
interface Passing {
  readonly kept: Buffer;
  skippedBytes: number;
  lastByte: number;
  /** Of a counted message: what is still to come. Of a line: undefined. */
  bytesLeft: number | undefined;
}

const lineFeed = 0x0a;
const space = 0x20;
const lessThan = 0x3c;
const countDigitsMax = 7;
const undecided = -1;
const nothing = Buffer.alloc(0);

/**
 * Cuts a stream into syslog messages (RFC 6587 §3.4). How a message is framed is found out for each anew, as rsyslog
 * does: what begins with a count without leading zero (at most seven digits), a space and `<` is counted in octets,
 * everything else ends with LF. LF between messages is tolerated. Nothing ends a stream: after a wrong count comes
 * what is not a message, up to the next LF, and from there on it goes well again.
 */
export class StreamFramer {
  readonly #keptBytesMax: number;
  /** The beginning of a message, its count included. */
  #held: Buffer = nothing;
  /** In so many of the bytes at hand there is no LF. */
  #searchedBytes = 0;
  #passing: Passing | undefined;

  constructor(options: StreamFramerOptions) {
    this.#keptBytesMax = options.keptBytesMax;
  }

  /** Bytes that came of the message that has not ended. */
  get pendingBytes(): number {
    const { kept, skippedBytes } = this.#passing ?? { kept: nothing, skippedBytes: 0 };
    return this.#held.length + kept.length + skippedBytes;
  }

  /** The messages that end in this chunk. */
  push(chunk: Buffer): FramedMessage[] {
    const bytes = this.#held.length > 0 ? Buffer.concat([this.#held, chunk]) : chunk;
    this.#searchedBytes = this.#held.length;
    const messages: FramedMessage[] = [];
    this.#held = nothing;
    let at = this.#pass(bytes, messages);
    while (at < bytes.length) {
      if (bytes[at] === lineFeed) at++;
      else at = this.#next(bytes, at, messages);
    }
    return messages;
  }

  /** The stream has ended: the last line, when it has no LF; undefined for nothing and for the piece of a counted message. */
  end(): FramedMessage | undefined {
    const held = this.#held;
    const passing = this.#passing;
    this.#held = nothing;
    this.#passing = undefined;
    if (passing) return passing.bytesLeft === undefined ? whole(passing) : undefined;
    const isLine = held.length > 0 && countedStart(held, 0) === 0;
    return isLine ? { bytes: held, skippedBytes: 0 } : undefined;
  }

  /** @returns where the next message starts; the end of `bytes` when this one has not ended. */
  #next(bytes: Buffer, at: number, messages: FramedMessage[]): number {
    const start = countedStart(bytes, at);
    if (start === undecided) return this.#hold(bytes, at, 0, undefined);
    if (start > 0) {
      const end = start + Number(bytes.toString('latin1', at, start - 1));
      if (end > bytes.length) return this.#hold(bytes, at, start - at, end - bytes.length);
      messages.push({ bytes: bytes.subarray(start, end), skippedBytes: 0 });
      return end;
    }
    const end = bytes.indexOf(lineFeed, at === 0 ? this.#searchedBytes : at);
    if (end < 0) return this.#hold(bytes, at, 0, undefined);
    messages.push({ bytes: bytes.subarray(at, end), skippedBytes: 0 });
    return end + 1;
  }

  /** Remembers an unfinished message, or, when it is long, its beginning. */
  #hold(bytes: Buffer, at: number, countBytes: number, bytesLeft: number | undefined): number {
    const came = bytes.length - at - countBytes;
    if (came <= this.#keptBytesMax) {
      // A copy: a view would keep the whole chunk alive.
      this.#held = Buffer.from(bytes.subarray(at));
    } else {
      const start = at + countBytes;
      this.#passing = {
        kept: Buffer.from(bytes.subarray(start, start + this.#keptBytesMax)),
        skippedBytes: came - this.#keptBytesMax,
        lastByte: bytes[bytes.length - 1] as number,
        bytesLeft,
      };
    }
    return bytes.length;
  }

  /** Lets the rest of a long message pass; @returns where the next one starts. */
  #pass(bytes: Buffer, messages: FramedMessage[]): number {
    const passing = this.#passing;
    if (!passing || bytes.length === 0) return 0;
    const { bytesLeft } = passing;
    const lineEnd = bytesLeft === undefined ? bytes.indexOf(lineFeed) : -1;
    const end =
      bytesLeft !== undefined
        ? Math.min(bytesLeft, bytes.length)
        : lineEnd < 0
          ? bytes.length
          : lineEnd;
    passing.skippedBytes += end;
    if (end > 0) passing.lastByte = bytes[end - 1] as number;
    if (bytesLeft !== undefined) passing.bytesLeft = bytesLeft - end;
    if (passing.bytesLeft !== 0 && lineEnd < 0) return bytes.length;
    this.#passing = undefined;
    messages.push(whole(passing));
    return lineEnd < 0 ? end : lineEnd + 1;
  }
}

function whole({ kept, skippedBytes, lastByte }: Passing): FramedMessage {
  return { bytes: kept, skippedBytes: lastByte === lineFeed ? skippedBytes - 1 : skippedBytes };
}

/** Where the message behind the count at `at` starts; 0 when it is a line, `undecided` when more must come. */
function countedStart(bytes: Buffer, at: number): number {
  let digit = at;
  for (; digit - at < countDigitsMax; digit++) {
    if (digit === bytes.length) return undecided;
    const byte = bytes[digit] as number;
    if (byte < (digit === at ? 0x31 : 0x30) || byte > 0x39) break;
  }
  if (digit === at) return 0;
  if (digit === bytes.length) return undecided;
  if (bytes[digit] !== space) return 0;
  if (digit + 1 === bytes.length) return undecided;
  return bytes[digit + 1] === lessThan ? digit + 1 : 0;
}

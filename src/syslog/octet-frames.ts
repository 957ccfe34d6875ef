import { FrameRewriter, type FrameRules } from './frame-rewriter.ts';
import { Header, scanHeader } from './header.ts';

/** What a body of octet-counted messages (RFC 6587 §3.4.1) holds. */
export interface ParsedFrames {
  /** The good frames, nothing between them: the body itself where it is nothing else. */
  readonly frames: Buffer;
  /** Number of frames in `frames`. */
  readonly lines: number;
  /** Frames, and stretches between frames, that are not messages. */
  readonly malformed: number;
  /** Messages whose text was too long and was cut. */
  readonly cut: number;
  /** The last good frame as it was sent, count included: a range of the body, empty when there is none. */
  readonly lastStart: number;
  readonly lastEnd: number;
}

const lineFeed = 0x0a;
const space = 0x20;
const lessThan = 0x3c;
const countDigitsMax = 7;
const header = new Header();

/**
 * Finds the good frames of a body in one pass. Good frames are kept beside bad ones:
 * - a frame whose count fits but whose header is not one counts as malformed, and parsing goes on after it;
 * - after a broken count, parsing goes on at the next LF that is followed by a count, a space and `<`;
 *   what was passed over counts once;
 * - a frame that is followed by what cannot begin a frame has a doubtful count: when such an LF lies inside
 *   the frame, its count was too large and the frame is broken, otherwise it is kept as it was counted;
 * - LF between frames is tolerated.
 */
export function parseFrames(body: Buffer, rules: FrameRules): ParsedFrames {
  const rewriter = new FrameRewriter(body, rules);
  let lines = 0;
  let malformed = 0;
  let lastStart = 0;
  let lastEnd = 0;
  for (let at = 0; at < body.length;) {
    if (body[at] === lineFeed) {
      at++;
      continue;
    }
    const start = messageStart(body, at);
    const end = start < 0 ? -1 : start + countAt(body, at, start);
    const next = end < 0 || end > body.length ? resume(body, at + 1, body.length) : end;
    if (next !== end) {
      malformed++;
      at = next;
      continue;
    }
    const inside = isDoubtful(body, end) ? resume(body, start, end) : end;
    if (inside < end || !scanHeader(body, start, end, header)) {
      malformed++;
      at = inside;
      continue;
    }
    if (rewriter.keep(at, end, header)) {
      lines++;
      lastStart = at;
      lastEnd = end;
    } else malformed++;
    at = end;
  }
  return { frames: rewriter.frames(), lines, malformed, cut: rewriter.cut, lastStart, lastEnd };
}

/** Where the message of the frame at `at` starts; -1 when no count, space and `<` stand there. */
function messageStart(body: Buffer, at: number): number {
  if (!isCountStart(body[at])) return -1;
  let digit = at + 1;
  const limit = at + countDigitsMax;
  for (; digit < limit; digit++) {
    const byte = body[digit] as number;
    if (!(byte >= 0x30 && byte <= 0x39)) break;
  }
  return body[digit] === space && body[digit + 1] === lessThan ? digit + 1 : -1;
}

function countAt(body: Buffer, at: number, start: number): number {
  let count = 0;
  for (let i = at; i < start - 1; i++) count = count * 10 + (body[i] as number) - 0x30;
  return count;
}

/** A count has no leading zero. */
function isCountStart(byte: number | undefined): boolean {
  return byte !== undefined && byte >= 0x31 && byte <= 0x39;
}

function isDoubtful(body: Buffer, end: number): boolean {
  return end < body.length && body[end] !== lineFeed && !isCountStart(body[end]);
}

/** After the next LF in [from, end) that is followed by the beginning of a frame; `end` when there is none. */
function resume(body: Buffer, from: number, end: number): number {
  for (
    let at = body.indexOf(lineFeed, from);
    at >= 0 && at < end;
    at = body.indexOf(lineFeed, at + 1)
  ) {
    if (at + 1 < end && messageStart(body, at + 1) >= 0) return at + 1;
  }
  return end;
}

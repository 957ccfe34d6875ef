/** What logplex's own frame parser makes of a body. */
export interface LogplexFrames {
  readonly frames: number;
  /** At least one malformed item: logplex refuses the whole request. */
  readonly hasMalformed: boolean;
}

const lineFeed = 0x0a;
const space = 0x20;
const frameBytesMax = 10_240;

/**
 * Logplex's rules (syslog_parser.erl), for those who want its all-or-nothing answers: a count of 1 to 10,240,
 * one space, that many bytes of anything. What does not begin so is malformed up to the next LF, an LF between
 * frames included; what is incomplete at the end is silently ignored.
 */
export function readAsLogplex(body: Buffer): LogplexFrames {
  let frames = 0;
  for (let at = 0; at < body.length;) {
    const start = countedMessage(body, at);
    if (start === incomplete) break;
    if (start === junk) return { frames, hasMalformed: body.indexOf(lineFeed, at) >= 0 };
    at = start + Number(body.toString('latin1', at, start - 1));
    if (at > body.length) break;
    frames++;
  }
  return { frames, hasMalformed: false };
}

const junk = -1;
const incomplete = -2;

/** Where the message behind the count at `at` starts, or one of the two constants. */
function countedMessage(body: Buffer, at: number): number {
  let count = 0;
  for (let i = at; i < body.length; i++) {
    const byte = body[i] as number;
    if (byte === space && i > at) return count <= frameBytesMax ? i + 1 : junk;
    const digit = byte - 0x30;
    if (digit < 0 || digit > 9 || (digit === 0 && i === at)) return junk;
    count = count * 10 + digit;
  }
  return incomplete;
}

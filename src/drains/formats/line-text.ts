import { isUtf8 } from 'node:buffer';

/** What an owner wants to have done to the text of each line. */
export interface TextRules {
  /** Colours and whatever else a terminal would obey go. */
  readonly stripAnsi: boolean;
  /** foreman's `web.1  | ` goes from the beginning of the text. */
  readonly stripPrefix: boolean;
}

/**
 * The text without what the rules take away; the same buffer when nothing is. All other bytes stay as they are.
 */
export function strippedText(text: Buffer, rules: TextRules): Buffer {
  const before = text.toString('latin1');
  const plain = rules.stripPrefix ? before.replace(foremanPrefix, '') : before;
  const after =
    rules.stripAnsi && plain.includes('\u001b') ? plain.replace(ansiSequence, '') : plain;
  return after.length === before.length ? text : Buffer.from(after, 'latin1');
}

/**
 * At most `bytesMax` bytes of the text, before a UTF-8 character that does not fit whole, with the mark of a cut
 * counted in; the same buffer when it is short enough. A bound without room for the mark cuts without one.
 */
export function cutText(text: Buffer, bytesMax: number): Buffer {
  if (text.length <= Math.max(0, bytesMax)) return text;
  if (bytesMax < markBytesMax) return text.subarray(0, keptBytes(text, Math.max(0, bytesMax)));
  const kept = keptBytes(text, bytesMax - markBytesMax);
  const mark = ` [… ${text.length - kept} bytes cut]`;
  return Buffer.concat([text.subarray(0, kept), Buffer.from(mark)]);
}

/** The text as characters, and whether it was UTF-8: else what is not has become U+FFFD. */
export function decodedText(text: Buffer): { readonly text: string; readonly isExact: boolean } {
  return { text: text.toString(), isExact: isUtf8(text) };
}

/** Of ` [… 1234567 bytes cut]`, whose … takes three bytes; ingest cuts texts long before that. */
const markBytesMax = 25;

/**
 * ECMA-48: control sequences (§5.4), control strings up to their terminator (§5.6, and xterm's BEL), and two-byte
 * escapes. Each alternative stops at the next ESC, so that the whole is linear.
 */
const ansiSequence =
  // oxlint-disable-next-line no-control-regex
  /\u001b(?:\[[0-?]*[ -/]*[@-~]|[\]PX^_][^\u0007\u001b]*(?:\u0007|\u001b\\)|[ -/]*[0-~])/g;

/** As foreman prints it: colour of the process, an optional time, name and number padded, `| `, colour off. */
const foremanPrefix =
  // oxlint-disable-next-line no-control-regex
  /^(?:\u001b\[[0-9;]*m)?(?:\d\d:\d\d:\d\d )?[A-Za-z0-9_-]{1,64}\.\d{1,6} {0,64}\| (?:\u001b\[0?m)?/;

function keptBytes(text: Buffer, limit: number): number {
  let lead = limit;
  while (lead > 0 && lead > limit - 3 && isContinuation(text[lead])) lead--;
  return isContinuation(text[lead]) ? limit : lead;
}

function isContinuation(byte: number | undefined): boolean {
  return byte !== undefined && (byte & 0xc0) === 0x80;
}

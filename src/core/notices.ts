/**
 * The lines that we write into an app's stream ourselves. This is the one place with their texts.
 * L10, L11 and L14 are logplex's, word for word; L16 and up are ours, in the same style.
 */
export const notices = {
  /** A drain could not keep up until retention took the lines. */
  drainOverflow: (count: number, sinceMs: number, exact = true): string =>
    `Error L10 (output buffer overflow): ${atLeast(exact)}${count} messages dropped since ${noticeTime(sinceMs)}.`,
  /** A tail session did not read fast enough. */
  tailOverflow: (count: number, sinceMs: number): string =>
    `Error L11 (Tail buffer overflow) -> This tail session dropped ${count} messages since ${noticeTime(sinceMs)}.`,
  /** A drain's certificate was refused. */
  certificate: (reason: string, maskedUrl: string): string =>
    `Error L14 (certificate validation): error="${reason}" uri="${maskedUrl}"`,
  /** A drain's receiver turned all of it away, so that its owner has to do something. */
  drainHeld: (reason: string, maskedUrl: string): string =>
    `Error L19 (drain held): error="${reason}" uri="${maskedUrl}"`,
  /** Every attempt has failed for long, but the receiver turned nothing away. */
  drainFailing: (reason: string, hours: number, maskedUrl: string): string =>
    `Error L19 (drain failing): no success for ${hours} hours, error="${reason}" uri="${maskedUrl}"`,
  /** A drain was given up, and what it had not delivered was dropped. */
  drainDisabled: (reason: string, maskedUrl: string): string =>
    `Error L19 (drain disabled): error="${reason}" uri="${maskedUrl}"`,
  /** A drain of which one of the three above was told delivers again. */
  drainRecovered: (maskedUrl: string): string => `Info L19 (drain recovered): uri="${maskedUrl}"`,
  /** The line that tries a drain out: no line of the app's log. */
  drainTest: (mark: string): string => `Spillway drain test ${mark}`,
  /** The app sent more than its rate allows. */
  rateLimited: (count: number, sinceMs: number): string =>
    `Error L16 (ingest rate limit): ${count} messages dropped since ${noticeTime(sinceMs)}.`,
  /** The app sent what is not a message, or fewer or more messages than it announced. */
  malformed: (count: number, sinceMs: number): string =>
    `Error L17 (malformed input): ${count} messages rejected since ${noticeTime(sinceMs)}.`,
  /** The receiver of a drain said never. */
  refused: (count: number, status: number, sinceMs: number): string =>
    `Error L18 (refused by drain, status ${status}): ${count} messages refused since ${noticeTime(sinceMs)}.`,
} as const;

/** PRI of every notice: local5.warning, as logplex's. */
const noticePri = 172;

/** `YYYY-MM-DDTHH:MM:SS+00:00`, whole seconds, as in logplex's notices. */
export function noticeTime(ms: number): string {
  return `${new Date(ms).toISOString().slice(0, 19)}+00:00`;
}

/** One octet-counted RFC 5424 frame with a notice, as it is stored in the app's log. */
export function noticeFrame(text: string, atMs: number): Buffer {
  const message = `<${noticePri}>1 ${noticeTime(atMs)} host heroku logplex - - ${text}\n`;
  return Buffer.from(`${Buffer.byteLength(message)} ${message}`);
}

function atLeast(exact: boolean): string {
  return exact ? '' : 'at least ';
}

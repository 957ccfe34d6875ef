import { isIPv6 } from 'node:net';
import syslogParse from 'syslog-parse';

/** All that is read of HOSTNAME and TAG. */
const namesBytesMax = 512;
const priMax = 191;

const pri = /^<(\d{1,3})>/;
const months = ['Jan', 'Feb', 'Mar', 'Apr', 'May', 'Jun', 'Jul', 'Aug', 'Sep', 'Oct', 'Nov', 'Dec'];
const bsdTime = new RegExp(`^(${months.join('|')}) {1,2}(\\d{1,2}) (\\d\\d):(\\d\\d):(\\d\\d) `);
const isoTime = /^(\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d(?:\.\d{1,9})?(?:Z|[+-]\d\d:\d\d)) /;
/** Stands for whatever time a message has, so that the package never judges one. */
const anyTime = 'Jan  1 00:00:00';
const longestPri = 5;
const longestTime = 36;

/**
 * A BSD message (RFC 3164 §4.1) as an RFC 5424 one, with what both have; undefined for anything else.
 *
 * `<PRI>Mmm dd hh:mm:ss HOST TAG[PID]: TEXT`, HOST and `[PID]` optional; instead of the BSD time, which has neither
 * year nor zone, there may be that of RFC 3339, as Docker and rsyslog send it. A BSD time is taken for UTC, in the
 * year in which it is nearest to `nowMs`. A message without a readable TAG has no APP-NAME, and all of it is text.
 *
 * HOST and TAG are split by `syslog-parse`. PRI and time are judged here: the package takes every number for a PRI,
 * lets days roll over into the next month, and finds its pattern anywhere in a text. The text never goes through it,
 * because it trims.
 */
export function fromRfc3164(bytes: Buffer, nowMs: number): Buffer | undefined {
  const head = bytes.toString('latin1', 0, longestPri + longestTime);
  const [priPart, priDigits] = pri.exec(head) ?? [];
  if (priPart === undefined || Number(priDigits) > priMax) return undefined;
  const time = readTime(head.slice(priPart.length), nowMs);
  if (!time) return undefined;
  const restStart = priPart.length + time.length;
  const { host, tag, procId, length } = readNames(bytes, restStart);
  const header = `${priPart}1 ${time.text} ${host} ${tag} ${procId} - - `;
  return Buffer.concat([Buffer.from(header, 'latin1'), bytes.subarray(restStart + length)]);
}

interface Time {
  /** As RFC 5424 has it; nil when it is in no year nearby. */
  readonly text: string;
  /** In the message, with the space after it. */
  readonly length: number;
}

function readTime(text: string, nowMs: number): Time | undefined {
  const iso = isoTime.exec(text);
  if (iso) return { text: iso[1] as string, length: iso[0].length };
  const bsd = bsdTime.exec(text);
  if (!bsd) return undefined;
  const month = months.indexOf(bsd[1] as string);
  const [day = 0, hour = 0, minute = 0, second = 0] = bsd.slice(2).map(Number);
  // 2024 has a 29th of February.
  const isDay = day >= 1 && day <= new Date(Date.UTC(2024, month + 1, 0)).getUTCDate();
  if (!isDay || hour > 23 || minute > 59 || second > 59) return undefined;
  const year = new Date(nowMs).getUTCFullYear();
  const nearest = [year - 1, year, year + 1]
    .map((candidate) => new Date(Date.UTC(candidate, month, day, hour, minute, second)))
    .filter((date) => date.getUTCDate() === day)
    .sort((a, b) => Math.abs(a.getTime() - nowMs) - Math.abs(b.getTime() - nowMs))[0];
  const length = bsd[0].length;
  return { text: nearest ? `${nearest.toISOString().slice(0, 19)}+00:00` : '-', length };
}

interface Names {
  readonly host: string;
  readonly tag: string;
  readonly procId: string;
  /** Of all this, with the space before the text. */
  readonly length: number;
}

const noNames: Names = { host: '-', tag: '-', procId: '-', length: 0 };

/** HOST and TAG; the package's answer counts only where it is about the beginning of `rest`. */
function readNames(bytes: Buffer, start: number): Names {
  const [text = ''] = bytes.toString('latin1', start, start + namesBytesMax).split('\n', 1);
  const address = ipv6Host(text);
  // The package would end TAG at one of its colons.
  const rest = text.replace(address, 'h'.repeat(address.length));
  // It wants a text after the colon.
  const parsed = syslogParse(`${anyTime} ${rest}.`);
  if (!parsed) return noNames;
  let at = spaces(rest, 0);
  if (!rest.startsWith(parsed.host, at)) return noNames;
  if (parsed.host !== '') at = spaces(rest, at + parsed.host.length);
  if (!rest.startsWith(parsed.process, at)) return noNames;
  at += parsed.process.length;
  const tagEnd = /^(?:\[([a-z\d.-]+)\])?: ?/i.exec(rest.slice(at));
  if (!tagEnd) return noNames;
  const [{ length }, procId = '-'] = tagEnd;
  return { host: address || parsed.host || '-', tag: parsed.process, procId, length: at + length };
}

/** HOST where it is an IPv6 address (RFC 3164 §4.1.2); else nothing. */
function ipv6Host(text: string): string {
  const [, word = ''] = /^ *(\S+) /.exec(text) ?? [];
  return isIPv6(word) && !word.includes('%') ? word : '';
}

function spaces(text: string, from: number): number {
  let at = from;
  while (/\s/.test(text.charAt(at))) at++;
  return at;
}

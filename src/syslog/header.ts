/**
 * Where the parts of one RFC 5424 message lie in a buffer. One instance is filled again and again:
 * the hot path makes no object per line. All values are offsets into the buffer, ends exclusive.
 */
export class Header {
  /** 0–191; facility · 8 + severity (RFC 5424 §6.2.1). Leading zeros are accepted, as logplex does. */
  pri = 0;
  /** The bytes of `<PRI>`, angle brackets included. */
  priStart = 0;
  priEnd = 0;
  timeStart = 0;
  timeEnd = 0;
  hostStart = 0;
  hostEnd = 0;
  appStart = 0;
  appEnd = 0;
  procStart = 0;
  procEnd = 0;
  msgIdStart = 0;
  msgIdEnd = 0;
  /** STRUCTURED-DATA, the NILVALUE included; an empty range in the dialect that has none. */
  sdStart = 0;
  sdEnd = 0;
  messageStart = 0;
  messageEnd = 0;

  get severity(): number {
    return this.pri & 7;
  }
}

/** A message whose parts before the text are longer is malformed. */
export const headerBytesMax = 2048;

const lessThan = 0x3c;
const greaterThan = 0x3e;
const space = 0x20;
const dash = 0x2d;
const delete_ = 0x7f;

/**
 * Finds the parts of the message in `bytes[start, end)` and says whether it is one. Reads two dialects:
 * RFC 5424 §6, and logplex's HTTPS drain body, which leaves STRUCTURED-DATA out. Linear, and bounded by
 * {@link headerBytesMax}.
 *
 * Between the dialects some texts cannot be told apart. They are decided so: after MSGID, a `-` that ends the
 * message or is followed by a space is the NILVALUE; what begins with `[` is STRUCTURED-DATA only when its
 * first element has a parameter, or an id that RFC 5424 §7 allows without one (with an `@`, or registered
 * with IANA); so `[info] up` is text. Everything else is text.
 */
export function scanHeader(bytes: Uint8Array, start: number, end: number, header: Header): boolean {
  const limit = Math.min(end, start + headerBytesMax);
  let at = scanPri(bytes, start, limit, header);
  if (at < 0 || bytes[at] !== 0x31 || at + 1 >= limit || bytes[at + 1] !== space) return false;
  at += 2;
  header.timeStart = at;
  at = fieldEnd(bytes, at, limit, end);
  if (at < 0 || at === limit) return false;
  header.timeEnd = at;
  header.hostStart = ++at;
  at = fieldEnd(bytes, at, limit, end);
  if (at < 0 || at === limit) return false;
  header.hostEnd = at;
  header.appStart = ++at;
  at = fieldEnd(bytes, at, limit, end);
  if (at < 0 || at === limit) return false;
  header.appEnd = at;
  header.procStart = ++at;
  at = fieldEnd(bytes, at, limit, end);
  if (at < 0 || at === limit) return false;
  header.procEnd = at;
  header.msgIdStart = ++at;
  at = fieldEnd(bytes, at, limit, end);
  if (at < 0 || (at === limit && limit < end)) return false;
  header.msgIdEnd = at;
  return scanRest(bytes, at, limit, end, header);
}

function scanPri(bytes: Uint8Array, start: number, limit: number, header: Header): number {
  if (start >= limit || bytes[start] !== lessThan) return -1;
  let at = start + 1;
  let pri = 0;
  for (; at < limit && at - start <= 3; at++) {
    const digit = (bytes[at] as number) - 0x30;
    if (digit < 0 || digit > 9) break;
    pri = pri * 10 + digit;
  }
  if (at === start + 1 || pri > 191 || bytes[at] !== greaterThan || at >= limit) return -1;
  header.pri = pri;
  header.priStart = start;
  header.priEnd = at + 1;
  return at + 1;
}

/** The end of a non-empty field of visible bytes; -1 when there is none. */
function fieldEnd(bytes: Uint8Array, start: number, limit: number, end: number): number {
  let at = start;
  for (; at < limit; at++) {
    const byte = bytes[at] as number;
    if (byte <= space || byte === delete_) break;
  }
  if (at === start) return -1;
  return at === limit || bytes[at] === space || isLastNewline(bytes, at, end) ? at : -1;
}

/** A message without text may still end in LF: `… web.1 -␊`. */
function isLastNewline(bytes: Uint8Array, at: number, end: number): boolean {
  return bytes[at] === 0x0a && at + 1 === end;
}

function scanRest(
  bytes: Uint8Array,
  at: number,
  limit: number,
  end: number,
  header: Header,
): boolean {
  header.messageEnd = end;
  const rest = at < end && bytes[at] === space ? at + 1 : at;
  header.sdStart = header.sdEnd = header.messageStart = rest;
  if (rest >= end) return true;
  if (bytes[rest] === dash) {
    const after = rest + 1;
    if (after === end) return setStructuredData(header, rest, after, after);
    if (bytes[after] === space) return setStructuredData(header, rest, after, after + 1);
    if (isLastNewline(bytes, after, end)) return setStructuredData(header, rest, after, after);
    return true;
  }
  if (bytes[rest] !== 0x5b) return true;
  const sdEnd = structuredDataEnd(bytes, rest, limit, end);
  if (sdEnd === notStructuredData) return true;
  if (sdEnd === cutOff) return limit === end;
  const isFollowedBySpace = sdEnd < end && bytes[sdEnd] === space;
  return setStructuredData(header, rest, sdEnd, isFollowedBySpace ? sdEnd + 1 : sdEnd);
}

function setStructuredData(header: Header, start: number, end: number, message: number): boolean {
  header.sdStart = start;
  header.sdEnd = end;
  header.messageStart = message;
  return true;
}

const notStructuredData = -1;
const cutOff = -2;

/** The end of a run of SD-ELEMENTs (RFC 5424 §6.3), or one of the two constants. */
function structuredDataEnd(bytes: Uint8Array, start: number, limit: number, end: number): number {
  let at = start;
  while (at < limit && bytes[at] === 0x5b) {
    at = elementEnd(bytes, at, limit);
    if (at < 0) return at;
  }
  if (at === end || bytes[at] === space || isLastNewline(bytes, at, end)) return at;
  return at === limit && bytes[at] === 0x5b ? cutOff : notStructuredData;
}

function elementEnd(bytes: Uint8Array, start: number, limit: number): number {
  const idStart = start + 1;
  let at = nameEnd(bytes, idStart, limit);
  if (at === limit) return cutOffName(idStart, limit);
  if (at === idStart) return notStructuredData;
  const idEnd = at;
  let params = 0;
  for (; bytes[at] === space; params++) {
    at = paramEnd(bytes, at + 1, limit);
    if (at < 0) return at;
  }
  if (at === limit) return cutOff;
  if (bytes[at] !== 0x5d) return notStructuredData;
  return params > 0 || mayStandAlone(bytes, idStart, idEnd) ? at + 1 : notStructuredData;
}

/** PARAM-NAME="PARAM-VALUE": in the value `"`, `\` and `]` are escaped by a backslash (§6.3.3). */
function paramEnd(bytes: Uint8Array, start: number, limit: number): number {
  let at = nameEnd(bytes, start, limit);
  if (at + 1 >= limit) return cutOffName(start, limit);
  if (at === start || bytes[at] !== 0x3d || bytes[at + 1] !== 0x22) return notStructuredData;
  for (at += 2; at < limit; at++) {
    const byte = bytes[at];
    if (byte === 0x5c) at++;
    else if (byte === 0x22) return at + 1 < limit ? at + 1 : cutOff;
    else if (byte === 0x5d) return notStructuredData;
  }
  return cutOff;
}

/** SD-NAME: visible ASCII but `=`, `]` and `"`. */
function nameEnd(bytes: Uint8Array, start: number, limit: number): number {
  let at = start;
  for (; at < limit; at++) {
    const byte = bytes[at] as number;
    if (byte <= space || byte >= delete_ || byte === 0x3d || byte === 0x5d || byte === 0x22) break;
  }
  return at;
}

/** A name that runs to the limit and is longer than §6.3.2 allows was the beginning of a text. */
function cutOffName(start: number, limit: number): number {
  return limit - start > sdNameBytesMax ? notStructuredData : cutOff;
}

const sdNameBytesMax = 32;
const registeredIds = ['timeQuality', 'origin', 'meta'];

function mayStandAlone(bytes: Uint8Array, start: number, end: number): boolean {
  const id = String.fromCharCode(...bytes.subarray(start, end));
  return id.includes('@') || registeredIds.includes(id);
}

import type { Header } from './header.ts';

/** A log token that was in STRUCTURED-DATA, and the message without it. */
export interface FoundToken {
  readonly token: string;
  readonly message: Buffer;
}

const paramNames = ['token', 'logplex_token'];
/** RFC 5424 escapes need no undoing: what has one is no token. */
const tokenValue = /^t\.[!#-[^-~]{1,253}$/;
const space = 0x20;
const quote = 0x22;
const backslash = 0x5c;
const openBracket = 0x5b;
const closeBracket = 0x5d;
const equals = 0x3d;

/**
 * Takes the log token out of a message's STRUCTURED-DATA: a parameter `token` or `logplex_token`, of any element,
 * whose value begins with `t.`. All such parameters go, and elements that have no other with them; the first one
 * counts. Undefined when there is none.
 */
export function takeSdToken(message: Buffer, header: Header): FoundToken | undefined {
  const { sdStart, sdEnd } = header;
  if (message[sdStart] !== openBracket) return undefined;
  const kept: Buffer[] = [];
  let token: string | undefined;
  for (let at = sdStart; at < sdEnd;) {
    const element = readElement(message, at);
    token ??= element.token;
    kept.push(...element.kept);
    at = element.end;
  }
  if (token === undefined) return undefined;
  if (kept.length === 0) kept.push(Buffer.from('-'));
  const parts = [message.subarray(0, sdStart), ...kept, message.subarray(sdEnd)];
  return { token, message: Buffer.concat(parts) };
}

interface Element {
  readonly end: number;
  readonly token: string | undefined;
  readonly kept: readonly Buffer[];
}

/** The element at `start`, which {@link scanHeader} has found to be one. */
function readElement(message: Buffer, start: number): Element {
  let at = start;
  while (message[at] !== space && message[at] !== closeBracket) at++;
  const kept = [message.subarray(start, at)];
  let params = 0;
  let token: string | undefined;
  while (message[at] === space) {
    const param = readParam(message, at);
    if (param.token === undefined) kept.push(message.subarray(at, param.end));
    token ??= param.token;
    at = param.end;
    params++;
  }
  const isEmptied = params > 0 && kept.length === 1;
  kept.push(message.subarray(at, at + 1));
  return { end: at + 1, token, kept: isEmptied ? [] : kept };
}

/** The parameter behind the space at `start`. */
function readParam(message: Buffer, start: number): { end: number; token: string | undefined } {
  const valueStart = message.indexOf(equals, start) + 2;
  let at = valueStart;
  for (; message[at] !== quote; at++) if (message[at] === backslash) at++;
  const name = message.toString('latin1', start + 1, valueStart - 2);
  const value = message.toString('latin1', valueStart, at);
  const isToken = paramNames.includes(name) && tokenValue.test(value);
  return { end: at + 1, token: isToken ? value : undefined };
}

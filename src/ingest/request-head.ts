import type { IncomingMessage } from 'node:http';
import { answers, type Answer } from './answers.ts';

/** What the head of a request says, before its body is read. */
export interface RequestHead {
  /** Why the request is refused whoever sent it. */
  readonly refusal: Answer | undefined;
  /** Why the body is refused, once the sender is known. */
  readonly bodyRefusal: Answer | undefined;
  readonly authorization: string | undefined;
  readonly contentLength: number | undefined;
  readonly isGzip: boolean;
  /** `Logplex-Msg-Count`; undefined without one, NaN when it is not a number. */
  readonly messageCount: number | undefined;
  /** The sender's own name for the request, the same on each try. */
  readonly requestId: string | undefined;
  /** log-shuttle takes every status for a delivery, so it is never told of overload by one. */
  readonly isShuttle: boolean;
}

export interface HeadLimits {
  readonly headersMax: number;
  readonly bodyBytesMax: number;
}

export function readHead(req: IncomingMessage, limits: HeadLimits): RequestHead {
  const { headers } = req;
  const length = headers['content-length'];
  const contentLength = length === undefined ? undefined : Number(length);
  const encoding = headers['content-encoding'];
  return {
    refusal: refusalOf(req, limits),
    bodyRefusal:
      contentRefusal(headers['content-type'], encoding) ??
      (contentLength !== undefined && contentLength > limits.bodyBytesMax
        ? answers.tooLarge
        : undefined),
    authorization: headers.authorization,
    contentLength,
    isGzip: encoding !== undefined && isGzip(encoding),
    messageCount: countOf(headers['logplex-msg-count']),
    requestId: idOf(headers['logplex-frame-id']) ?? idOf(headers['x-request-id']),
    isShuttle: isShuttle(req),
  };
}

export function isShuttle({ headers }: IncomingMessage): boolean {
  return headers['user-agent']?.startsWith('log-shuttle') ?? false;
}

function refusalOf(req: IncomingMessage, limits: HeadLimits): Answer | undefined {
  // Node cuts the headers it parses at its own bound, but hands out all of them raw.
  if (req.rawHeaders.length > 2 * limits.headersMax) return answers.tooManyHeaders;
  if (hasDuplicate(req.rawHeaders)) return answers.duplicateHeader;
  // Node looks at the last coding only; the body would still be in the others (RFC 9112 §6.1).
  if (req.headers['transfer-encoding']?.includes(',') ?? false) return answers.transferCoding;
  return req.method === 'POST' ? undefined : answers.methodNotAllowed;
}

/**
 * Two readers of one request must not disagree about who sent it, where it goes or where it ends; Node silently
 * takes the first of most of these.
 */
function hasDuplicate(rawHeaders: readonly string[]): boolean {
  let seen = 0;
  for (let i = 0; i < rawHeaders.length; i += 2) {
    const bit = singleHeaderBit(rawHeaders[i] as string);
    if ((seen & bit) !== 0) return true;
    seen |= bit;
  }
  return false;
}

/** A bit for each header that may come once; their lengths differ, so that most names are never compared. */
function singleHeaderBit(name: string): number {
  switch (name.length) {
    case 4:
      return matches(name, 'host', 1);
    case 12:
      return matches(name, 'content-type', 2);
    case 13:
      return matches(name, 'authorization', 4);
    case 14:
      return matches(name, 'content-length', 8);
    case 16:
      return matches(name, 'content-encoding', 16);
    case 17:
      return matches(name, 'transfer-encoding', 32);
    default:
      return 0;
  }
}

function matches(name: string, lowerCase: string, bit: number): number {
  return name.toLowerCase() === lowerCase ? bit : 0;
}

const mediaTypes: readonly string[] = ['application/logplex-1', 'application/x-logplex-1'];

function contentRefusal(
  type: string | undefined,
  encoding: string | undefined,
): Answer | undefined {
  if (type === undefined || !isLogplex(type)) return answers.mediaType;
  const isKnown = encoding === undefined || isGzip(encoding) || isIdentity(encoding);
  return isKnown ? undefined : answers.encoding;
}

function isLogplex(type: string): boolean {
  if (type === mediaTypes[0]) return true;
  const [bare = ''] = type.split(';', 1);
  return mediaTypes.includes(bare.trim().toLowerCase());
}

/** `x-gzip` is the same (RFC 9110 §8.4.1.3). */
function isGzip(encoding: string): boolean {
  return encoding === 'gzip' || /^(x-)?gzip$/i.test(encoding);
}

function isIdentity(encoding: string): boolean {
  return encoding === '' || encoding.toLowerCase() === 'identity';
}

function countOf(header: string | string[] | undefined): number | undefined {
  if (header === undefined) return undefined;
  return typeof header === 'string' && /^\+?\d{1,9}$/.test(header) ? Number(header) : NaN;
}

const idBytesMax = 255;

function idOf(header: string | string[] | undefined): string | undefined {
  if (typeof header !== 'string' || header === '' || header.length > idBytesMax) return undefined;
  return header;
}

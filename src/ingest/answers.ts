/** How a request ended; the label of `spillway_ingest_requests_total`. */
export const requestOutcomes = [
  'stored',
  'repeated',
  'empty',
  'malformed',
  'unauthorised',
  'refused',
  'slow',
  'overloaded',
  'closed',
  'gone',
] as const;
export type RequestOutcome = (typeof requestOutcomes)[number];

/** A status with a body of one line. `reason` replaces the standard reason phrase. */
export interface Answer {
  readonly status: number;
  readonly outcome: RequestOutcome;
  readonly text: string;
  readonly reason?: string;
  readonly headers?: Readonly<Record<string, string>>;
  /** The connection cannot go on after it. */
  readonly closes?: boolean;
}

export const answers = {
  methodNotAllowed: {
    status: 405,
    outcome: 'refused',
    text: 'Method not allowed',
    headers: { Allow: 'POST' },
  },
  duplicateHeader: { status: 400, outcome: 'refused', text: 'Duplicate header', closes: true },
  transferCoding: {
    status: 501,
    outcome: 'refused',
    text: 'Unsupported transfer coding',
    closes: true,
  },
  tooManyHeaders: { status: 431, outcome: 'refused', text: 'Too many headers', closes: true },
  unauthorised: {
    status: 401,
    outcome: 'unauthorised',
    text: 'Unauthorized',
    headers: { 'WWW-Authenticate': 'Basic realm="Logplex"' },
  },
  mediaType: { status: 415, outcome: 'refused', text: 'Unsupported media type' },
  encoding: {
    status: 415,
    outcome: 'refused',
    text: 'Unsupported content encoding',
    // RFC 9110 §12.5.3: what would have been accepted.
    headers: { 'Accept-Encoding': 'gzip' },
  },
  tooLarge: { status: 413, outcome: 'refused', text: 'Body too large', closes: true },
  badBody: { status: 400, outcome: 'refused', text: 'Bad request', reason: 'Bad request' },
  slow: { status: 408, outcome: 'slow', text: 'Body took too long', closes: true },
  malformed: {
    status: 400,
    outcome: 'malformed',
    text: 'Malformed log messages',
    reason: 'Malformed log messages',
  },
  countMismatch: {
    status: 400,
    outcome: 'malformed',
    text: 'Message count mismatch',
    reason: 'Message count mismatch',
  },
} as const satisfies Record<string, Answer>;

export function overloaded(retryAfterMs: number): Answer {
  return {
    status: 503,
    outcome: 'overloaded',
    text: 'Overloaded, try again',
    headers: { 'Retry-After': String(Math.ceil(retryAfterMs / 1000)) },
  };
}

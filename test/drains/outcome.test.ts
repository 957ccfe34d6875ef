import { errors } from 'undici';
import { expect, test } from 'vitest';
import type { Delivery } from '../../src/drains/drain.ts';
import { DialError, type DialFailure } from '../../src/drains/egress/dial-failure.ts';
import { outcomeOf } from '../../src/drains/outcome.ts';

const nowMs = Date.UTC(2026, 0, 1, 12, 0, 0);
const limits = { retryAfterMsMin: 1000, retryAfterMsMax: 900_000 };

function ofStatus(status: number, retryAfter?: string): Delivery {
  return outcomeOf({ status, retryAfter }, limits, nowMs);
}

function ofError(error: unknown): Delivery {
  return outcomeOf({ error }, limits, nowMs);
}

const statuses: [number, Delivery][] = [
  [200, { kind: 'delivered', rejected: 0 }],
  [204, { kind: 'delivered', rejected: 0 }],
  [299, { kind: 'delivered', rejected: 0 }],
  [300, { kind: 'hold', reason: 'http_3xx', status: 300 }],
  [301, { kind: 'hold', reason: 'http_3xx', status: 301 }],
  [302, { kind: 'hold', reason: 'http_3xx', status: 302 }],
  [304, { kind: 'hold', reason: 'http_3xx', status: 304 }],
  [307, { kind: 'hold', reason: 'http_3xx', status: 307 }],
  [308, { kind: 'hold', reason: 'http_3xx', status: 308 }],
  [400, { kind: 'split', status: 400 }],
  [401, { kind: 'hold', reason: 'http_4xx', status: 401 }],
  [402, { kind: 'hold', reason: 'http_4xx', status: 402 }],
  [403, { kind: 'hold', reason: 'http_4xx', status: 403 }],
  [404, { kind: 'hold', reason: 'http_4xx', status: 404 }],
  [405, { kind: 'hold', reason: 'http_4xx', status: 405 }],
  [408, { kind: 'retry', reason: 'http_4xx', status: 408 }],
  [410, { kind: 'hold', reason: 'http_4xx', status: 410 }],
  [411, { kind: 'hold', reason: 'http_4xx', status: 411 }],
  [413, { kind: 'split', status: 413 }],
  [415, { kind: 'hold', reason: 'http_4xx', status: 415 }],
  [422, { kind: 'split', status: 422 }],
  [425, { kind: 'hold', reason: 'http_4xx', status: 425 }],
  [429, { kind: 'retry', reason: 'http_429', status: 429 }],
  [451, { kind: 'hold', reason: 'http_4xx', status: 451 }],
  [499, { kind: 'hold', reason: 'http_4xx', status: 499 }],
  [500, { kind: 'retry', reason: 'http_5xx', status: 500 }],
  [502, { kind: 'retry', reason: 'http_5xx', status: 502 }],
  [503, { kind: 'retry', reason: 'http_5xx', status: 503 }],
  [504, { kind: 'retry', reason: 'http_5xx', status: 504 }],
  [599, { kind: 'retry', reason: 'http_5xx', status: 599 }],
  [600, { kind: 'retry', reason: 'protocol', status: 600 }],
  [999, { kind: 'retry', reason: 'protocol', status: 999 }],
];

test.each(statuses)('%i', (status, delivery) => {
  expect(ofStatus(status)).toEqual(delivery);
});

test('every status there can be has a class, that of its hundred where it has none of its own', () => {
  const own = new Set(statuses.map(([status]) => status));
  const classes = new Map([
    [2, { kind: 'delivered', rejected: 0 }],
    [3, { kind: 'hold', reason: 'http_3xx' }],
    [4, { kind: 'hold', reason: 'http_4xx' }],
    [5, { kind: 'retry', reason: 'http_5xx' }],
  ]);
  for (let status = 200; status < 1000; status++) {
    if (own.has(status)) continue;
    const expected = classes.get(Math.floor(status / 100)) ?? { kind: 'retry', reason: 'protocol' };
    expect(ofStatus(status), String(status)).toMatchObject(expected);
  }
});

test.each([429, 503])('%i says when to come back', (status) => {
  expect(ofStatus(status, '7')).toMatchObject({ kind: 'retry', afterMs: 7000 });
});

test.each([200, 302, 404, 408, 413, 500, 502, 504])('%i does not', (status) => {
  expect(ofStatus(status, '7')).not.toHaveProperty('afterMs');
});

const codes: [string, DialFailure][] = [
  // The connection.
  ['ECONNRESET', { reason: 'closed' }],
  ['ECONNABORTED', { reason: 'closed' }],
  ['EPIPE', { reason: 'closed' }],
  ['ENOTCONN', { reason: 'closed' }],
  ['EHOSTUNREACH', { reason: 'closed' }],
  ['ENETDOWN', { reason: 'closed' }],
  ['ERR_STREAM_PREMATURE_CLOSE', { reason: 'closed' }],
  ['UND_ERR_SOCKET', { reason: 'closed' }],
  ['UND_ERR_ABORTED', { reason: 'closed' }],
  ['UND_ERR_DESTROYED', { reason: 'closed' }],
  ['UND_ERR_INFO', { reason: 'closed' }],
  ['', { reason: 'closed' }],
  ['ETIMEDOUT', { reason: 'timeout' }],
  // TLS itself.
  ['EPROTO', { reason: 'tls' }],
  ['ERR_SSL_WRONG_VERSION_NUMBER', { reason: 'tls' }],
  ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', { reason: 'tls' }],
  ['ERR_SSL_SSL/TLS_ALERT_HANDSHAKE_FAILURE', { reason: 'tls' }],
  ['ERR_SSL_TLSV1_UNRECOGNIZED_NAME', { reason: 'tls' }],
  ['ERR_SSL_DH_KEY_TOO_SMALL', { reason: 'tls' }],
  ['ERR_TLS_DH_PARAM_SIZE', { reason: 'tls' }],
  // The receiver's certificate: every code that Node has for it.
  ['CERT_HAS_EXPIRED', { reason: 'tls', certificate: 'expired' }],
  ['CERT_NOT_YET_VALID', { reason: 'tls', certificate: 'not yet valid' }],
  ['ERR_TLS_CERT_ALTNAME_INVALID', { reason: 'tls', certificate: 'hostname mismatch' }],
  ['HOSTNAME_MISMATCH', { reason: 'tls', certificate: 'hostname mismatch' }],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', { reason: 'tls', certificate: 'self-signed' }],
  ['SELF_SIGNED_CERT_IN_CHAIN', { reason: 'tls', certificate: 'unknown authority' }],
  ['UNABLE_TO_GET_ISSUER_CERT', { reason: 'tls', certificate: 'unknown authority' }],
  ['UNABLE_TO_GET_ISSUER_CERT_LOCALLY', { reason: 'tls', certificate: 'unknown authority' }],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', { reason: 'tls', certificate: 'unknown authority' }],
  ['CERT_UNTRUSTED', { reason: 'tls', certificate: 'unknown authority' }],
  ['CERT_REVOKED', { reason: 'tls', certificate: 'revoked' }],
  ['CERT_REJECTED', { reason: 'tls', certificate: 'bad certificate' }],
  ['INVALID_PURPOSE', { reason: 'tls', certificate: 'wrong purpose' }],
  ['INVALID_CA', { reason: 'tls', certificate: 'invalid authority' }],
  ['PATH_LENGTH_EXCEEDED', { reason: 'tls', certificate: 'chain too long' }],
  ['CERT_CHAIN_TOO_LONG', { reason: 'tls', certificate: 'chain too long' }],
  ['CERT_SIGNATURE_FAILURE', { reason: 'tls', certificate: 'bad signature' }],
  ['UNABLE_TO_DECRYPT_CERT_SIGNATURE', { reason: 'tls', certificate: 'bad certificate' }],
  ['UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY', { reason: 'tls', certificate: 'bad certificate' }],
  ['ERROR_IN_CERT_NOT_BEFORE_FIELD', { reason: 'tls', certificate: 'bad certificate' }],
  ['ERROR_IN_CERT_NOT_AFTER_FIELD', { reason: 'tls', certificate: 'bad certificate' }],
  ['ERR_TLS_CERT_ALTNAME_FORMAT', { reason: 'tls', certificate: 'bad certificate' }],
  ['CRL_HAS_EXPIRED', { reason: 'tls', certificate: 'bad certificate' }],
  ['UNABLE_TO_GET_CRL', { reason: 'tls', certificate: 'bad certificate' }],
  ['UNSPECIFIED', { reason: 'tls', certificate: 'bad certificate' }],
  // Ours.
  [
    'ERR_SSL_TLSV13_ALERT_CERTIFICATE_REQUIRED',
    { reason: 'tls', certificate: 'client certificate required' },
  ],
  ...[
    'SSL/TLS_ALERT_BAD_CERTIFICATE',
    'SSL/TLS_ALERT_UNSUPPORTED_CERTIFICATE',
    'SSL/TLS_ALERT_CERTIFICATE_EXPIRED',
    'SSL/TLS_ALERT_CERTIFICATE_REVOKED',
    'SSL/TLS_ALERT_CERTIFICATE_UNKNOWN',
    'TLSV1_ALERT_UNKNOWN_CA',
  ].map((alert): [string, DialFailure] => [
    `ERR_SSL_${alert}`,
    { reason: 'tls', certificate: 'client certificate refused' },
  ]),
  // HTTP.
  ['UND_ERR_HEADERS_OVERFLOW', { reason: 'protocol' }],
  ['UND_ERR_RES_CONTENT_LENGTH_MISMATCH', { reason: 'protocol' }],
];

test.each(codes)('%s is tried again', (code, failure) => {
  const error = Object.assign(new Error('at secret.example.com'), { code });
  expect(ofError(error)).toEqual({ kind: 'retry', ...failure });
});

const thrown: [string, unknown, DialFailure][] = [
  [
    'a key that is too short',
    Object.assign(new Error('EE certificate key too weak'), { code: 'UNSPECIFIED' }),
    { reason: 'tls', certificate: 'weak' },
  ],
  [
    'a status line that makes no sense',
    new errors.SocketError('bad response'),
    { reason: 'protocol' },
  ],
  ['a connection that ended', new errors.SocketError('other side closed'), { reason: 'closed' }],
  ['what is no HTTP', new errors.HTTPParserError('Expected HTTP/'), { reason: 'protocol' }],
  ['headers without end', new errors.HeadersOverflowError(), { reason: 'protocol' }],
  ['what is no error', 'oops', { reason: 'closed' }],
  ['nothing', undefined, { reason: 'closed' }],
];

test.each(thrown)('%s is tried again', (_, error, failure) => {
  expect(ofError(error)).toEqual({ kind: 'retry', ...failure });
});

test.each(['timeout', 'connect', 'dns', 'tls', 'closed'] as const)(
  'a dial that ended with %s is tried again',
  (reason) => {
    expect(ofError(new DialError({ reason }))).toEqual({ kind: 'retry', reason });
  },
);

test('an address that may not be reached is for the owner to change', () => {
  const error = new DialError({ reason: 'blocked_address' });
  expect(ofError(error)).toEqual({ kind: 'hold', reason: 'blocked_address' });
});

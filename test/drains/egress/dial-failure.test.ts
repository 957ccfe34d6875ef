import { expect, test } from 'vitest';
import {
  certificateReason,
  classifyConnectError,
  classifySocketError,
  DialError,
} from '../../../src/drains/egress/dial-failure.ts';

function failed(code: string): Error {
  return Object.assign(new Error('secret.example.com'), { code });
}

test.each([
  ['CERT_HAS_EXPIRED', 'expired'],
  ['CERT_NOT_YET_VALID', 'not yet valid'],
  ['ERR_TLS_CERT_ALTNAME_INVALID', 'hostname mismatch'],
  ['DEPTH_ZERO_SELF_SIGNED_CERT', 'self-signed'],
  ['SELF_SIGNED_CERT_IN_CHAIN', 'unknown authority'],
  ['UNABLE_TO_VERIFY_LEAF_SIGNATURE', 'unknown authority'],
  ['UNABLE_TO_DECODE_ISSUER_PUBLIC_KEY', 'bad certificate'],
])('%s is told as %s', (code, words) => {
  expect(certificateReason(code)).toBe(words);
  expect(classifySocketError(failed(code))).toEqual({ reason: 'tls', certificate: words });
});

test.each([
  ['ERR_SSL_TLSV1_ALERT_PROTOCOL_VERSION', 'tls'],
  ['EPROTO', 'tls'],
  ['ECONNRESET', 'closed'],
  ['EPIPE', 'closed'],
  ['ETIMEDOUT', 'timeout'],
  ['', 'closed'],
])('%s on a connection is %s', (code, reason) => {
  expect(classifySocketError(failed(code))).toEqual({ reason });
});

test.each([
  ['ECONNREFUSED', 'connect'],
  ['EHOSTUNREACH', 'connect'],
  ['ECONNRESET', 'connect'],
  ['ETIMEDOUT', 'timeout'],
])('%s before there is a connection is %s', (code, reason) => {
  expect(classifyConnectError(failed(code))).toEqual({ reason });
});

test('a failure that is known keeps its reason', () => {
  const failure = { reason: 'dns' } as const;
  expect(classifySocketError(new DialError(failure))).toBe(failure);
});

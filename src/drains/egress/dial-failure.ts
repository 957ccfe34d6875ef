import type { FailureReason } from '../drain.ts';

/** Why a connection could not be opened, or broke: coarse, without names, addresses or banners. */
export interface DialFailure {
  readonly reason: FailureReason;
  /** Why the certificate was refused, in the words of L14. */
  readonly certificate?: string;
}

/** What carries a failure through an interface that only knows errors. */
export class DialError extends Error {
  override readonly name = 'DialError';
  readonly failure: DialFailure;

  constructor(failure: DialFailure) {
    super(`cannot connect: ${failure.reason}`);
    this.failure = failure;
  }
}

/** Of an error while the TCP connection was being opened. */
export function classifyConnectError(error: unknown): DialFailure {
  return { reason: codeOf(error) === 'ETIMEDOUT' ? 'timeout' : 'connect' };
}

/** Of an error of a connected socket: during the TLS handshake, or later. */
export function classifySocketError(error: unknown): DialFailure {
  if (error instanceof DialError) return error.failure;
  const code = codeOf(error);
  const certificate = certificateReason(code);
  if (certificate !== undefined) return { reason: 'tls', certificate };
  if (code === 'ETIMEDOUT') return { reason: 'timeout' };
  return { reason: code.startsWith('ERR_SSL_') || code === 'EPROTO' ? 'tls' : 'closed' };
}

/** OpenSSL's verification codes as Node names them (`X509_V_ERR_*`). */
export function certificateReason(code: string): string | undefined {
  const known = certificateReasons[code];
  if (known !== undefined) return known;
  return /^(?:CERT_|CRL_|UNABLE_TO_|ERROR_IN_C|INVALID_CA|PATH_LENGTH)/.test(code)
    ? 'bad certificate'
    : undefined;
}

const certificateReasons: Readonly<Record<string, string>> = {
  CERT_HAS_EXPIRED: 'expired',
  CERT_NOT_YET_VALID: 'not yet valid',
  ERR_TLS_CERT_ALTNAME_INVALID: 'hostname mismatch',
  HOSTNAME_MISMATCH: 'hostname mismatch',
  DEPTH_ZERO_SELF_SIGNED_CERT: 'self-signed',
  SELF_SIGNED_CERT_IN_CHAIN: 'unknown authority',
  UNABLE_TO_GET_ISSUER_CERT: 'unknown authority',
  UNABLE_TO_GET_ISSUER_CERT_LOCALLY: 'unknown authority',
  UNABLE_TO_VERIFY_LEAF_SIGNATURE: 'unknown authority',
  CERT_UNTRUSTED: 'unknown authority',
  CERT_REVOKED: 'revoked',
  INVALID_PURPOSE: 'wrong purpose',
  CERT_SIGNATURE_FAILURE: 'bad signature',
  CERT_CHAIN_TOO_LONG: 'chain too long',
};

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}

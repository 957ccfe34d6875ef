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

/** What is wrong with a certificate, of the error that it makes, in the words of L14; undefined when it is fine. */
export function certificateProblem(error: unknown): string | undefined {
  return certificateReason(codeOf(error), messageOf(error));
}

/** Of an error while the TCP connection was being opened. */
export function classifyConnectError(error: unknown): DialFailure {
  return { reason: codeOf(error) === 'ETIMEDOUT' ? 'timeout' : 'connect' };
}

/** Of an error of a connected socket, or of what is spoken over it: during the TLS handshake, or later. */
export function classifySocketError(error: unknown): DialFailure {
  if (error instanceof DialError) return error.failure;
  const code = codeOf(error);
  const certificate = certificateReason(code, messageOf(error));
  if (certificate !== undefined) return { reason: 'tls', certificate };
  if (code === 'ETIMEDOUT') return { reason: 'timeout' };
  if (/^(?:ERR_SSL_|ERR_TLS_|ERR_OSSL_|EPROTO$)/.test(code)) return { reason: 'tls' };
  return { reason: isProtocolError(error, code) ? 'protocol' : 'closed' };
}

/** The receiver does not speak HTTP, or not correctly. undici's parser names its errors, and gives them no code. */
function isProtocolError(error: unknown, code: string): boolean {
  if (code === 'UND_ERR_SOCKET') return messageOf(error).startsWith('bad ');
  if (error instanceof Error && error.name === 'HTTPParserError') return true;
  return protocolCodes.has(code);
}

const protocolCodes = new Set([
  'UND_ERR_HEADERS_OVERFLOW',
  'UND_ERR_RES_CONTENT_LENGTH_MISMATCH',
  'UND_ERR_RES_EXCEEDED_MAX_SIZE',
]);

/**
 * What is wrong with a certificate, the receiver's or ours: OpenSSL's verification codes as Node names them
 * (`X509_V_ERR_*`), and the alerts with which a receiver turns our certificate down (RFC 8446 §6.2).
 */
function certificateReason(code: string, message = ''): string | undefined {
  const known = certificateReasons[code];
  if (known !== undefined) return known;
  // Node has no name for these: "EE certificate key too weak", "CA signature digest algorithm too weak".
  if (code === 'UNSPECIFIED') return message.includes('too weak') ? 'weak' : 'bad certificate';
  if (code.endsWith('_ALERT_CERTIFICATE_REQUIRED')) return 'client certificate required';
  if (clientCertificateAlerts.test(code)) return 'client certificate refused';
  return /^(?:CERT_|CRL_|UNABLE_TO_|ERROR_IN_C|ERR_TLS_CERT_)/.test(code)
    ? 'bad certificate'
    : undefined;
}

const clientCertificateAlerts =
  /_ALERT_(?:(?:BAD|UNSUPPORTED|NO)_CERTIFICATE|CERTIFICATE_(?:EXPIRED|REVOKED|UNKNOWN)|UNKNOWN_CA)$/;

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
  CERT_REJECTED: 'bad certificate',
  INVALID_PURPOSE: 'wrong purpose',
  INVALID_CA: 'invalid authority',
  PATH_LENGTH_EXCEEDED: 'chain too long',
  CERT_SIGNATURE_FAILURE: 'bad signature',
  CERT_CHAIN_TOO_LONG: 'chain too long',
};

function codeOf(error: unknown): string {
  const code = (error as { code?: unknown } | null)?.code;
  return typeof code === 'string' ? code : '';
}

function messageOf(error: unknown): string {
  return error instanceof Error ? error.message : '';
}

import type { PeerCertificate } from 'node:tls';

/** What an owner may know of the certificate that a receiver showed. */
export interface CertificateFacts {
  /** The authority's name as the certificate has it; empty when it has none. */
  readonly issuer: string;
  /** Undefined when the certificate says nothing that can be read. */
  readonly expiresAtMs: number | undefined;
  /** In the words of L14; undefined when the certificate is fine. With `insecure` it may be accepted nevertheless. */
  readonly problem: string | undefined;
}

/** Undefined when the receiver showed none. */
export function certificateFacts(
  certificate: Pick<PeerCertificate, 'issuer' | 'valid_to'> | undefined,
  problem: string | undefined,
): CertificateFacts | undefined {
  // Without a certificate Node gives an empty object.
  if (certificate?.valid_to === undefined) return undefined;
  const { CN, O } = certificate.issuer;
  const expiresAtMs = Date.parse(certificate.valid_to);
  return {
    issuer: printable([CN ?? O ?? ''].flat()[0] ?? ''),
    expiresAtMs: Number.isNaN(expiresAtMs) ? undefined : expiresAtMs,
    problem,
  };
}

const issuerCharactersMax = 100;

/** The certificate is its receiver's text: short, and nothing that a terminal would obey. */
function printable(text: string): string {
  return text.replace(/[\p{C}\p{Zl}\p{Zp}]/gu, '?').slice(0, issuerCharactersMax);
}

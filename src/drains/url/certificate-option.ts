import { createPrivateKey, X509Certificate, type KeyObject } from 'node:crypto';
import { createSecureContext } from 'node:tls';

/**
 * One or more certificates as canonical PEM. They come as PEM, or, for a URL, as the base64 of PEM or DER; undefined
 * when they are none.
 */
export function certificates(value: unknown): string | undefined {
  const bytes = bytesOf(value);
  if (!bytes) return undefined;
  const blocks = isPem(bytes) ? (bytes.toString('latin1').match(certificateBlock) ?? []) : [bytes];
  try {
    const pems = blocks.map((block) => new X509Certificate(block).toString());
    return pems.length > 0 && pems.length <= certificatesMax ? pems.join('') : undefined;
  } catch {
    return undefined;
  }
}

/** A private key without passphrase as canonical PEM (PKCS #8), from what {@link certificates} reads too. */
export function privateKey(value: unknown): string | undefined {
  const bytes = bytesOf(value);
  const key = bytes && keyOf(bytes);
  return key?.export({ type: 'pkcs8', format: 'pem' }).toString();
}

/** Whether the key belongs to the first of the certificates. */
export function isKeyOf(certificatesPem: string, keyPem: string): boolean {
  try {
    return new X509Certificate(certificatesPem).checkPrivateKey(createPrivateKey(keyPem));
  } catch {
    return false;
  }
}

/** Whether OpenSSL shows a certificate that has its key to anybody: not when the key or a signature is too weak. */
export function isStrong(certificatesPem: string, keyPem: string): boolean {
  try {
    createSecureContext({ cert: certificatesPem, key: keyPem });
    return true;
  } catch {
    return false;
  }
}

const charactersMax = 32_768;
const certificatesMax = 20;
const certificateBlock = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

function bytesOf(value: unknown): Buffer | undefined {
  if (typeof value !== 'string' || value.length === 0 || value.length > charactersMax) {
    return undefined;
  }
  const text = Buffer.from(value, 'latin1');
  if (isPem(text)) return text;
  return /^[A-Za-z0-9+/_\s-]+={0,2}$/.test(value) ? Buffer.from(value, 'base64') : undefined;
}

function isPem(bytes: Buffer): boolean {
  return bytes.includes('-----BEGIN ');
}

function keyOf(key: Buffer): KeyObject | undefined {
  try {
    return isPem(key)
      ? createPrivateKey({ key, format: 'pem' })
      : createPrivateKey({ key, format: 'der', type: 'pkcs8' });
  } catch {
    return undefined;
  }
}

import { X509Certificate } from 'node:crypto';
import { readFile } from 'node:fs/promises';
import { ConfigError } from '../core/errors.ts';

const block = /-----BEGIN CERTIFICATE-----[^-]+-----END CERTIFICATE-----/g;

/**
 * The PEM roots in the file that `SPILLWAY_EGRESS_CA_FILE` names.
 * @throws ConfigError when it cannot be read, or holds anything but certificates. (TLS would ignore it silently.)
 */
export async function readCaFile(file: string): Promise<string> {
  const pem = await readFile(file, 'utf8').catch((error: NodeJS.ErrnoException) => {
    throw problem(`cannot be read (${error.code ?? 'error'})`, file);
  });
  const blocks = pem.match(block) ?? [];
  if (blocks.length === 0 || !blocks.every(isCertificate)) {
    throw problem('is not a file of PEM certificates', file);
  }
  return pem;
}

function problem(what: string, file: string): ConfigError {
  return new ConfigError([`SPILLWAY_EGRESS_CA_FILE ${what}: ${file}`]);
}

function isCertificate(pem: string): boolean {
  try {
    return new X509Certificate(pem).subject !== undefined;
  } catch {
    return false;
  }
}

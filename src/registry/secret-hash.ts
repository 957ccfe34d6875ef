import { createHash } from 'node:crypto';

/**
 * SHA-256 of a key or token. These are random and long, so a plain hash is as good as a slow one, and a
 * look-up by hash leaves no comparison that depends on the secret.
 */
export function secretHash(secret: string): Buffer {
  return createHash('sha256').update(secret).digest();
}

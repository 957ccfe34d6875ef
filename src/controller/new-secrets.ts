import type { Chance } from '../core/chance.ts';
import { Secret } from '../core/secret.ts';

/** An API key: 128 random bits, written like a UUID because that is what people expect to see. */
export function newApiKey(chance: Chance): Secret {
  const hex = chance.bytes(16).toString('hex');
  return new Secret(
    [
      [0, 8],
      [8, 12],
      [12, 16],
      [16, 20],
      [20, 32],
    ]
      .map(([from, to]) => hex.slice(from, to))
      .join('-'),
  );
}

/** Six digits, for a mail from which somebody types it; worth nothing without a bound on attempts. */
export function newCode(chance: Chance): Secret {
  // 48 bits modulo a million: the bias is below one in two hundred million.
  return new Secret(String(chance.bytes(6).readUIntBE(0, 6) % 1_000_000).padStart(6, '0'));
}

/** 128 random bits in hex, for a mail from which somebody copies it. */
export function newMailToken(chance: Chance): Secret {
  return new Secret(chance.bytes(16).toString('hex'));
}

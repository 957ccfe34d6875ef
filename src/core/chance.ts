import { randomBytes, randomUUID } from 'node:crypto';

/** Chance, injected. */
export interface Chance {
  /** Uniform in [0, 1): for jitter, never for secrets. */
  fraction(): number;
  /** Cryptographically strong bytes. */
  bytes(count: number): Buffer;
  uuid(): string;
}

export const systemChance: Chance = {
  fraction: () => Math.random(),
  bytes: (count) => randomBytes(count),
  uuid: () => randomUUID(),
};

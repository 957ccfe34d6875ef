import { argon2, timingSafeEqual, type Argon2Parameters } from 'node:crypto';
import type { Chance } from '../core/chance.ts';
import { ApiError } from './api-error.ts';

export interface PasswordsOptions {
  readonly memoryKib: number;
  readonly passes: number;
  /** Each computation takes its memory and a thread of the pool that also writes the log. */
  readonly concurrentMax: number;
  readonly waitingMax: number;
}

/** Argon2id, in the PHC string format: `$argon2id$v=19$m=<KiB>,t=<passes>,p=1$<salt>$<hash>`. */
export class Passwords {
  readonly #options: PasswordsOptions;
  readonly #chance: Chance;
  readonly #waiting: (() => void)[] = [];
  #running = 0;

  constructor(options: PasswordsOptions, parts: { readonly chance: Chance }) {
    this.#options = options;
    this.#chance = parts.chance;
  }

  async hash(password: string): Promise<string> {
    const { memoryKib, passes } = this.#options;
    const salt = this.#chance.bytes(saltBytes);
    const hash = await this.#derive(password, { salt, memoryKib, passes, bytes: hashBytes });
    return `$argon2id$v=19$m=${memoryKib},t=${passes},p=1$${base64(salt)}$${base64(hash)}`;
  }

  /** False for `undefined`, after the same time: whether an account exists must not show in it. */
  async verify(password: string, stored: string | undefined): Promise<boolean> {
    const parsed = stored === undefined ? this.#nobody() : parse(stored);
    const derived = await this.#derive(password, { ...parsed, bytes: parsed.hash.length });
    return timingSafeEqual(derived, parsed.hash) && stored !== undefined;
  }

  #nobody(): Stored {
    const { memoryKib, passes } = this.#options;
    return { memoryKib, passes, salt: Buffer.alloc(saltBytes), hash: Buffer.alloc(hashBytes) };
  }

  async #derive(password: string, from: Omit<Stored, 'hash'> & { bytes: number }): Promise<Buffer> {
    await this.#enter();
    try {
      return await derive({
        message: password.normalize('NFC'),
        nonce: from.salt,
        memory: from.memoryKib,
        passes: from.passes,
        parallelism: 1,
        tagLength: from.bytes,
      });
    } finally {
      this.#leave();
    }
  }

  async #enter(): Promise<void> {
    if (this.#running < this.#options.concurrentMax) {
      this.#running++;
      return;
    }
    if (this.#waiting.length >= this.#options.waitingMax) {
      throw new ApiError(503, 'Too busy to check passwords now. Please try again.', {
        'retry-after': '5',
      });
    }
    await new Promise<void>((resolve) => this.#waiting.push(resolve));
  }

  /** The place goes to the next in line directly, so that nobody can slip in between. */
  #leave(): void {
    const next = this.#waiting.shift();
    if (next) next();
    else this.#running--;
  }
}

interface Stored {
  readonly memoryKib: number;
  readonly passes: number;
  readonly salt: Buffer;
  readonly hash: Buffer;
}

function parse(stored: string): Stored {
  const match =
    /^\$argon2id\$v=19\$m=(\d{1,7}),t=(\d{1,2}),p=1\$([A-Za-z0-9+/]+)\$([A-Za-z0-9+/]+)$/.exec(
      stored,
    );
  if (!match) throw new Error('a stored password hash is damaged');
  const [, memoryKib, passes, salt = '', hash = ''] = match;
  return {
    memoryKib: Number(memoryKib),
    passes: Number(passes),
    salt: Buffer.from(salt, 'base64'),
    hash: Buffer.from(hash, 'base64'),
  };
}

function derive(parameters: Argon2Parameters): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    argon2('argon2id', parameters, (error, key) => (error ? reject(error) : resolve(key)));
  });
}

function base64(bytes: Buffer): string {
  return bytes.toString('base64').replace(/=+$/, '');
}

const saltBytes = 16;
const hashBytes = 32;

import type { Clock } from '../../core/clock.ts';

export interface ResolverOptions {
  readonly cacheMsMin: number;
  readonly cacheMsMax: number;
  readonly failureCacheMs: number;
  readonly cacheNamesMax: number;
}

export interface ResolverParts {
  readonly dns: DnsLookup;
  readonly clock: Clock;
}

/** What we need of `dns.promises.Resolver`: look-ups by c-ares, which a hanging server cannot pile up in libuv's threads. */
export interface DnsLookup {
  resolve4(name: string, options: { ttl: true }): Promise<Answer[]>;
  resolve6(name: string, options: { ttl: true }): Promise<Answer[]>;
}

interface Answer {
  readonly address: string;
  /** Seconds. */
  readonly ttl: number;
}

interface Known {
  readonly addresses: readonly string[];
  readonly untilMs: number;
}

/**
 * Looks names up, once for all who wait for the same one, and remembers answers within bounds of its own:
 * a record that lives no time at all is not asked for on every connection, and none is trusted for long.
 */
export class Resolver {
  readonly #options: ResolverOptions;
  readonly #parts: ResolverParts;
  readonly #known = new Map<string, Known>();
  readonly #asking = new Map<string, Promise<readonly string[]>>();

  constructor(options: ResolverOptions, parts: ResolverParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** All A and AAAA addresses of `name`; none when it does not resolve now. Never rejects. */
  async resolve(name: string): Promise<readonly string[]> {
    const known = this.#known.get(name);
    if (known && known.untilMs > this.#parts.clock.monotonicMs()) return known.addresses;
    const asking = this.#asking.get(name);
    if (asking) return await asking;
    const ask = this.#ask(name).finally(() => this.#asking.delete(name));
    this.#asking.set(name, ask);
    return await ask;
  }

  async #ask(name: string): Promise<readonly string[]> {
    const { dns } = this.#parts;
    const [six, four] = await Promise.all([
      answers(dns.resolve6(name, { ttl: true })),
      answers(dns.resolve4(name, { ttl: true })),
    ]);
    const found = interleave(six, four);
    this.#remember(name, found);
    return found.map((answer) => answer.address);
  }

  #remember(name: string, found: readonly Answer[]): void {
    const { cacheMsMin, cacheMsMax, failureCacheMs, cacheNamesMax } = this.#options;
    const ttlMs = found.reduce((least, answer) => Math.min(least, answer.ttl * 1000), cacheMsMax);
    const forMs = found.length === 0 ? failureCacheMs : Math.max(cacheMsMin, ttlMs);
    this.#known.delete(name);
    this.#known.set(name, {
      addresses: found.map((answer) => answer.address),
      untilMs: this.#parts.clock.monotonicMs() + forMs,
    });
    for (const oldest of this.#known.keys()) {
      if (this.#known.size <= cacheNamesMax) break;
      this.#known.delete(oldest);
    }
  }
}

async function answers(asked: Promise<Answer[]>): Promise<Answer[]> {
  try {
    return await asked;
  } catch {
    // No such name, no such record, a broken or a silent server: nothing to connect to, whichever it is.
    return [];
  }
}

/** IPv6 first, then alternating (RFC 8305 §4), so that one broken family costs one attempt. */
function interleave(six: readonly Answer[], four: readonly Answer[]): Answer[] {
  const mixed: Answer[] = [];
  for (let at = 0; at < Math.max(six.length, four.length); at++) {
    mixed.push(...six.slice(at, at + 1), ...four.slice(at, at + 1));
  }
  return mixed;
}

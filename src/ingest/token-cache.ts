import { hash } from 'node:crypto';
import type { Clock } from '../core/clock.ts';
import type { AppId } from '../core/ids.ts';
import type { Logger } from '../core/logger.ts';
import { tokenOf } from './authorization.ts';
import type { KeptToken, TokenStore } from './kept-tokens.ts';

/** The registry's word on log tokens. */
export interface TokenDirectory {
  /**
   * The app that a token belongs to; undefined is a no.
   * @throws DependencyError REGISTRY_UNAVAILABLE when it cannot be judged now.
   */
  findToken(tokenHash: Buffer): Promise<{ app: AppId; appName: string } | undefined>;
}

export interface TokenCacheOptions {
  /** The registry's word counts for so long; from half of it on it is asked again in the background. */
  readonly tokenFreshMs: number;
  /** An answer that takes longer is none. */
  readonly tokenAskMsMax: number;
  /** After a failure the registry is left alone for so long, for this token. */
  readonly tokenRetryMs: number;
  /** Known and unknown tokens remembered, each. */
  readonly tokensMax: number;
  /** Questions to the registry at once. */
  readonly tokenAsksMax: number;
  /** Known tokens are written to disk at most once in this time. */
  readonly tokensSaveMs: number;
}

export interface TokenCacheParts {
  readonly directory: TokenDirectory;
  readonly store: TokenStore;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** Whose lines a request brings. */
export interface Access {
  readonly app: AppId;
  /** The app's unique name. */
  readonly name: Buffer;
  readonly token: Buffer;
}

/** `unknown`: the registry said no just now, or there is no token. `unjudged`: nobody can say at present. */
export type Judgement = Access | 'unknown' | 'unjudged';

interface Entry {
  readonly token: string;
  readonly tokenHash: string;
  /** Of the registry's last yes. */
  access: Access | undefined;
  /** When the registry was last asked and answered. */
  askedMs: number;
  /** Not asked before. */
  retryMs: number;
  asking: Promise<Judgement> | undefined;
  /** Since the last look for something to forget. */
  wasUsed: boolean;
}

/**
 * Judges senders by the hash of their token. What the registry said is believed for a few seconds, so a
 * revocation takes effect within that time; while the registry cannot answer, those whom it knew stay known,
 * and nobody is refused.
 */
export class TokenCache {
  readonly #options: TokenCacheOptions;
  readonly #parts: TokenCacheParts;
  /** By the whole `Authorization` header, which saves decoding it each time. */
  readonly #known = new Map<string, Entry>();
  readonly #others = new Map<string, Entry>();
  /** By token hash: what is on disk, or will be. */
  #kept = new Map<string, KeptToken>();
  #isChanged = false;
  #saving: Promise<void> | undefined;
  #asks = 0;
  #isFailing = false;
  #stop: (() => void) | undefined;

  constructor(options: TokenCacheOptions, parts: TokenCacheParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Loads what an earlier life kept. */
  async start(): Promise<void> {
    this.#kept = await this.#parts.store.load();
    this.#stop = this.#parts.clock.every(this.#options.tokensSaveMs, () => void this.#save());
  }

  async close(): Promise<void> {
    this.#stop?.();
    await this.#saving;
    await this.#save();
  }

  judge(authorization: string | undefined): Judgement | Promise<Judgement> {
    const entry = this.#entry(authorization);
    if (!entry) return 'unknown';
    const { tokenFreshMs } = this.#options;
    const ageMs = this.#parts.clock.monotonicMs() - entry.askedMs;
    if (ageMs > tokenFreshMs) return this.#ask(authorization as string, entry);
    if (!entry.access) return 'unknown';
    if (ageMs > tokenFreshMs / 2) void this.#ask(authorization as string, entry);
    return entry.access;
  }

  /** The registry has changed: its next word counts, not its last. */
  expire(): void {
    for (const entry of this.#known.values()) entry.askedMs = -Infinity;
    this.#others.clear();
  }

  #entry(authorization: string | undefined): Entry | undefined {
    if (authorization === undefined) return undefined;
    const found = this.#known.get(authorization) ?? this.#others.get(authorization);
    if (found) {
      found.wasUsed = true;
      return found;
    }
    const token = tokenOf(authorization);
    if (token === undefined) return undefined;
    const entry: Entry = {
      token,
      tokenHash: hash('sha256', token),
      access: undefined,
      askedMs: -Infinity,
      retryMs: -Infinity,
      asking: undefined,
      wasUsed: false,
    };
    this.#remember(this.#others, authorization, entry);
    return entry;
  }

  /** Asks once for all who wait; answers at once while the registry is left alone. */
  #ask(authorization: string, entry: Entry): Judgement | Promise<Judgement> {
    if (entry.asking) return entry.asking;
    const isLeftAlone = this.#parts.clock.monotonicMs() < entry.retryMs;
    if (isLeftAlone || this.#asks >= this.#options.tokenAsksMax)
      return this.#withoutRegistry(entry);
    this.#asks++;
    entry.asking = this.#askRegistry(authorization, entry).finally(() => {
      this.#asks--;
      entry.asking = undefined;
    });
    return entry.asking;
  }

  async #askRegistry(authorization: string, entry: Entry): Promise<Judgement> {
    const askedMs = this.#parts.clock.monotonicMs();
    try {
      const owner = await this.#bounded(
        this.#parts.directory.findToken(Buffer.from(entry.tokenHash, 'hex')),
      );
      this.#isFailing = false;
      entry.askedMs = askedMs;
      return this.#learn(authorization, entry, owner);
    } catch (error) {
      entry.retryMs = this.#parts.clock.monotonicMs() + this.#options.tokenRetryMs;
      if (!this.#isFailing) this.#parts.logger.warn({ err: error }, 'ingest.registry_failed');
      this.#isFailing = true;
      return this.#withoutRegistry(entry);
    }
  }

  #bounded<T>(answer: Promise<T>): Promise<T> {
    return new Promise((resolve, reject) => {
      const { tokenAskMsMax } = this.#options;
      const cancel = this.#parts.clock.after(tokenAskMsMax, () =>
        reject(new Error(`the registry did not answer within ${tokenAskMsMax} ms`)),
      );
      answer.then(resolve, reject).finally(cancel);
    });
  }

  #learn(authorization: string, entry: Entry, owner: KeptToken | undefined): Judgement {
    const kept = this.#kept.get(entry.tokenHash);
    if (!owner) {
      entry.access = undefined;
      if (this.#known.delete(authorization)) this.#remember(this.#others, authorization, entry);
      if (kept) this.#keep(entry.tokenHash, undefined);
      return 'unknown';
    }
    const isSame = kept?.app === owner.app && kept.appName === owner.appName;
    if (!isSame) this.#keep(entry.tokenHash, { app: owner.app, appName: owner.appName });
    if (!entry.access || !isSame) entry.access = accessOf(entry.token, owner);
    if (this.#others.delete(authorization)) this.#remember(this.#known, authorization, entry);
    return entry.access;
  }

  #withoutRegistry(entry: Entry): Judgement {
    const kept = this.#kept.get(entry.tokenHash);
    return entry.access ?? (kept ? accessOf(entry.token, kept) : 'unjudged');
  }

  #keep(tokenHash: string, token: KeptToken | undefined): void {
    this.#isChanged = true;
    this.#kept.delete(tokenHash);
    if (token) this.#kept.set(tokenHash, token);
    if (this.#kept.size <= this.#options.tokensMax) return;
    const [oldest] = this.#kept.keys();
    if (oldest !== undefined) this.#kept.delete(oldest);
  }

  /** Beyond the bound something goes that was not used lately; what was gets a second chance. */
  #remember(entries: Map<string, Entry>, authorization: string, entry: Entry): void {
    entries.set(authorization, entry);
    if (entries.size <= this.#options.tokensMax) return;
    for (const [key, old] of entries) {
      entries.delete(key);
      if (!old.wasUsed || old === entry) return;
      old.wasUsed = false;
      entries.set(key, old);
    }
  }

  async #save(): Promise<void> {
    if (!this.#isChanged || this.#saving) return;
    this.#isChanged = false;
    this.#saving = this.#parts.store.save(this.#kept).catch((error: unknown) => {
      this.#isChanged = true;
      this.#parts.logger.warn({ err: error }, 'ingest.tokens_not_saved');
    });
    await this.#saving;
    this.#saving = undefined;
  }
}

function accessOf(token: string, { app, appName }: KeptToken): Access {
  return { app, name: Buffer.from(appName), token: Buffer.from(token, 'latin1') };
}

import { join } from 'node:path';
import type { LogBus, StoredRecord } from '../bus/bus.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import { createFairShare } from './fair-share.ts';
import { Inflater } from './inflater.ts';
import { IngestHandler, type IngestHandlerOptions } from './ingest-handler.ts';
import type { IngestMetrics } from './ingest-metrics.ts';
import { TokenFile } from './kept-tokens.ts';
import { PlatformLines } from './platform-lines.ts';
import { RateLimiter, type RateLimiterOptions } from './rate-limiter.ts';
import { RejectionAnnouncer, type RejectionAnnouncerOptions } from './rejections.ts';
import { Repeats, type RepeatsOptions } from './repeats.ts';
import { SyslogIntake } from './syslog/syslog-intake.ts';
import { TokenCache, type TokenCacheOptions, type TokenDirectory } from './token-cache.ts';

export type IngestOptions = IngestHandlerOptions &
  TokenCacheOptions &
  RepeatsOptions &
  RateLimiterOptions &
  RejectionAnnouncerOptions & {
    /** Known tokens rest here. */
    readonly dataDir: string;
  };

export interface IngestParts {
  readonly bus: LogBus;
  readonly directory: TokenDirectory;
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metrics: IngestMetrics;
}

const tokenFile = 'ingest-tokens';

/** The doors through which lines come in. */
export class Ingest {
  /** `POST /logs`. */
  readonly handler: IngestHandler;
  /** What comes over syslog connections. */
  readonly syslog: SyslogIntake;
  /** The platform's own lines. */
  readonly platformLines: PlatformLines;
  readonly #tokens: TokenCache;
  readonly #repeats: Repeats;
  readonly #announcer: RejectionAnnouncer;

  constructor(options: IngestOptions, parts: IngestParts) {
    const store = new TokenFile(join(options.dataDir, tokenFile));
    this.#tokens = new TokenCache(options, { ...parts, store });
    this.#repeats = new Repeats(options, parts);
    this.#announcer = new RejectionAnnouncer(options, parts);
    this.platformLines = new PlatformLines(options, parts);
    const shared = {
      ...parts,
      tokens: this.#tokens,
      limiter: new RateLimiter(options, parts),
      inFlight: createFairShare(options),
    };
    this.syslog = new SyslogIntake(options, shared);
    this.handler = new IngestHandler(options, {
      ...shared,
      repeats: this.#repeats,
      inflater: new Inflater(options),
    });
  }

  /** To be done before the first request; `recent` is the end of the log, at least the repeat window of it. */
  async start(recent: AsyncIterable<StoredRecord>): Promise<void> {
    await this.#tokens.start();
    await this.#repeats.rebuild(recent);
    this.#announcer.start();
  }

  /** Tokens or apps have changed in the registry: it is asked again before the next request of each. */
  tokensChanged(): void {
    this.#tokens.expire();
  }

  /** Answers what is on its way and holds nothing any more. */
  async close(signal: AbortSignal): Promise<void> {
    await this.handler.close(signal);
    await this.#announcer.close();
    await this.#tokens.close();
  }
}

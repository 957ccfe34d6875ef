import type { LogBus } from '../../bus/bus.ts';
import type { Clock } from '../../core/clock.ts';
import { AppError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { LogRecord } from '../../core/record.ts';
import type { Claim, FairShare } from '../fair-share.ts';
import type { IngestMetrics } from '../ingest-metrics.ts';
import type { RateLimiter } from '../rate-limiter.ts';
import { takeIn } from '../request-intake.ts';
import type { Access, TokenCache } from '../token-cache.ts';
import type { GatheredLines } from './gathered-lines.ts';

export interface SyslogIntakeOptions {
  /** Texts that are longer are cut. */
  readonly messageBytesMax: number;
}

export interface SyslogIntakeParts {
  readonly bus: Pick<LogBus, 'append' | 'problem'>;
  readonly tokens: Pick<TokenCache, 'judge'>;
  readonly limiter: RateLimiter;
  /** The same room that requests have. */
  readonly inFlight: FairShare;
  readonly metrics: IngestMetrics;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** What could not be done now is tried again after this. */
const retryMs = 50;

/**
 * The way of lines from a syslog connection into the log. The protocol has no answer that could say "not now", so
 * whatever is not there now is waited for, without end, while the connection is not read.
 */
export class SyslogIntake {
  readonly #options: SyslogIntakeOptions;
  readonly #parts: SyslogIntakeParts;

  constructor(options: SyslogIntakeOptions, parts: SyslogIntakeParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Whose token it is. Rejects only when aborted. */
  async judge(token: string, signal: AbortSignal): Promise<Access | 'unknown'> {
    for (;;) {
      const judgement = await this.#parts.tokens.judge(`Bearer ${token}`);
      if (judgement !== 'unjudged') return judgement;
      await this.#parts.clock.sleep(retryMs, signal);
    }
  }

  /**
   * Resolves when the lines are durable, as far as the app's rate allows.
   * @throws when waiting was aborted, or the log refuses for good; then nothing was acknowledged to anyone.
   */
  async store(lines: GatheredLines, signal: AbortSignal): Promise<void> {
    const { app } = lines.access;
    const { clock, limiter, metrics, logger } = this.#parts;
    let claim: Claim | undefined;
    try {
      claim = await this.#room(lines, signal);
      const read = lines.read(this.#options.messageBytesMax);
      const intake = takeIn(read, lines.access, clock.nowMs(), limiter);
      await this.#append(intake.records, signal);
      metrics.stored(intake);
    } catch (error) {
      const isGivenUp = signal.aborted;
      const entry = { app, lines: lines.count, ...(isGivenUp ? {} : { err: error }) };
      logger.error(entry, 'ingest.syslog_not_stored');
      throw error;
    } finally {
      claim?.release();
    }
  }

  async #room(lines: GatheredLines, signal: AbortSignal): Promise<Claim> {
    const { bus, inFlight, clock } = this.#parts;
    for (;;) {
      const isReady = bus.problem() === undefined;
      const claim = isReady ? inFlight.claim(lines.access.app, lines.bytes) : undefined;
      if (claim) return claim;
      await clock.sleep(retryMs, signal);
    }
  }

  async #append(records: readonly LogRecord[], signal: AbortSignal): Promise<void> {
    while (records.length > 0) {
      try {
        await this.#parts.bus.append(records);
        return;
      } catch (error) {
        if (!(error instanceof AppError && error.retryable)) throw error;
      }
      await this.#parts.clock.sleep(retryMs, signal);
    }
  }
}

import type { Logger } from '../../core/logger.ts';
import type { Mail, Mailer } from './mailer.ts';

/**
 * Mails that nobody waits for, because waiting would show whether an account exists. A mail that cannot
 * be sent is logged and gone; its reader asks again.
 */
export class BackgroundMail {
  readonly #mailer: Mailer;
  readonly #logger: Logger;
  readonly #options: { readonly pendingMax: number };
  readonly #pending = new Set<Promise<void>>();

  constructor(
    options: { readonly pendingMax: number },
    parts: { readonly mailer: Mailer; readonly logger: Logger },
  ) {
    this.#options = options;
    this.#mailer = parts.mailer;
    this.#logger = parts.logger;
  }

  send(mail: Mail): void {
    if (this.#pending.size >= this.#options.pendingMax) {
      this.#logger.warn({ pending: this.#pending.size }, 'mail.dropped');
      return;
    }
    const sending = this.#mailer
      .send(mail)
      .catch((error: unknown) => this.#logger.error({ err: error }, 'mail.failed'))
      .finally(() => this.#pending.delete(sending));
    this.#pending.add(sending);
  }

  /** Resolves when everything was sent or given up, or when waiting is over. */
  async close(signal: AbortSignal): Promise<void> {
    const aborted = new Promise<void>((resolve) => {
      if (signal.aborted) resolve();
      else signal.addEventListener('abort', () => resolve(), { once: true });
    });
    await Promise.race([Promise.allSettled(this.#pending), aborted]);
  }
}

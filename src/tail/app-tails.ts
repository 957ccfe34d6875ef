import type { AppId } from '../core/ids.ts';
import { AppTail, type AppTailParts } from './app-tail.ts';

interface AppTailsOptions {
  readonly appQueueBytesMax: number;
  readonly checkEveryMs: number;
}

interface Entry {
  readonly tail: AppTail;
  readonly opened: Promise<void>;
  users: number;
}

/** The live lines of the apps that someone follows: one {@link AppTail} each, for as long as anyone does. */
export class AppTails {
  readonly #options: AppTailsOptions;
  readonly #parts: AppTailParts;
  readonly #entries = new Map<AppId, Entry>();
  #cancelTimer: (() => void) | undefined;
  #isChecking = false;

  constructor(options: AppTailsOptions, parts: AppTailParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /**
   * Every call is answered by one {@link release}, also when it throws.
   * @throws DependencyError when the log cannot be asked where the app stands.
   */
  async acquire(app: AppId): Promise<AppTail> {
    const entry = this.#entries.get(app) ?? this.#open(app);
    entry.users++;
    await entry.opened;
    return entry.tail;
  }

  release(app: AppId): void {
    const entry = this.#entries.get(app);
    if (!entry || --entry.users > 0) return;
    this.#entries.delete(app);
    entry.tail.close();
    if (this.#entries.size > 0) return;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  #open(app: AppId): Entry {
    const queueBytesMax = this.#options.appQueueBytesMax;
    const tail = new AppTail({ app, queueBytesMax }, this.#parts);
    const entry = { tail, opened: tail.open(), users: 0 };
    this.#entries.set(app, entry);
    this.#cancelTimer ??= this.#parts.clock.every(this.#options.checkEveryMs, () => {
      void this.#check();
    });
    return entry;
  }

  /** One app at a time, so that a round over many apps never stands in the way of anything else. */
  async #check(): Promise<void> {
    if (this.#isChecking) return;
    this.#isChecking = true;
    try {
      for (const { tail } of this.#entries.values()) await tail.check();
    } catch (error) {
      this.#parts.logger.warn({ err: error }, 'tail.check_failed');
    }
    this.#isChecking = false;
  }
}

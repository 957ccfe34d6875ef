import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import type { AppTail } from './app-tail.ts';
import type { TailMetrics } from './tail-metrics.ts';
import type { TailSession } from './tail-session.ts';

/** Whether the client may (still) see the app; throws when that cannot be judged now. */
export type Authorised = () => Promise<boolean>;

interface OpenSessionsParts {
  readonly clock: Clock;
  readonly metrics: TailMetrics;
  readonly logger: Logger;
}

interface Entry {
  readonly session: TailSession;
  readonly live: AppTail | undefined;
  readonly authorised: Authorised;
  readonly ended: Promise<void>;
  authoriseAtMs: number;
}

/** The sessions that run: looked after by one timer, which does not run while there are none. */
export class OpenSessions {
  readonly #authoriseEveryMs: number;
  readonly #parts: OpenSessionsParts;
  readonly #entries = new Set<Entry>();
  #cancelTimer: (() => void) | undefined;

  constructor(options: { readonly authoriseEveryMs: number }, parts: OpenSessionsParts) {
    this.#authoriseEveryMs = options.authoriseEveryMs;
    this.#parts = parts;
  }

  /** Runs the session; resolves when its connection is closed. */
  async run(
    session: TailSession,
    parts: { readonly live: AppTail | undefined; readonly authorised: Authorised },
  ): Promise<void> {
    const authoriseAtMs = this.#parts.clock.monotonicMs() + this.#authoriseEveryMs;
    const entry: Entry = { ...parts, session, authoriseAtMs, ended: session.run() };
    this.#entries.add(entry);
    this.#cancelTimer ??= this.#parts.clock.every(tendEveryMs, () => this.#tend());
    this.#parts.metrics.clients = this.#entries.size;
    await entry.ended;
    this.#entries.delete(entry);
    this.#parts.metrics.clients = this.#entries.size;
    if (this.#entries.size > 0) return;
    this.#cancelTimer?.();
    this.#cancelTimer = undefined;
  }

  /** Ends every session once it has every line that is durable now; resolves when all are closed. */
  async finish(): Promise<void> {
    const groups = [...Map.groupBy(this.#entries, ({ live }) => live)];
    await Promise.all(groups.map(([live, group]) => this.#finishGroup(live, group)));
  }

  /** Cuts what is left; resolves when all are closed. */
  async destroy(): Promise<void> {
    const left = [...this.#entries];
    for (const { session } of left) session.destroy();
    await Promise.all(left.map(({ ended }) => ended));
  }

  async #finishGroup(live: AppTail | undefined, group: readonly Entry[]): Promise<void> {
    try {
      await live?.settle();
      for (const { session } of group) session.finish();
    } catch (error) {
      this.#parts.logger.error({ err: error }, 'tail.close_failed');
      for (const { session } of group) session.destroy();
    }
    await Promise.all(group.map(({ ended }) => ended));
  }

  #tend(): void {
    const nowMs = this.#parts.clock.monotonicMs();
    for (const entry of this.#entries) {
      entry.session.tend(nowMs);
      if (nowMs < entry.authoriseAtMs) continue;
      entry.authoriseAtMs = nowMs + this.#authoriseEveryMs;
      void this.#reauthorise(entry);
    }
  }

  /** When it cannot be judged now, the session goes on, and is judged the next time. */
  async #reauthorise({ session, authorised }: Entry): Promise<void> {
    try {
      if (!(await authorised())) session.stop();
    } catch (error) {
      this.#parts.logger.warn({ err: error }, 'tail.authorisation_unknown');
    }
  }
}

const tendEveryMs = 1000;

import { backoffMs } from '../../core/backoff.ts';
import type { Chance } from '../../core/chance.ts';
import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import type { Service } from '../../core/service.ts';
import type { DrainEvent, DrainEventSink } from './drain-event.ts';
import type { EventMetrics, EventWay } from './event-metrics.ts';

export interface EventCourierOptions {
  readonly way: EventWay;
  /** Events that are on their way or wait for another try; more are dropped. */
  readonly pendingMax: number;
  readonly triesMax: number;
  readonly retryBaseMs: number;
  readonly retryMsMax: number;
  /** For one try. */
  readonly sendMsMax: number;
  /** Of a drain and kind at most one in this time: a drain that comes and goes must not fill a mailbox. */
  readonly intervalMs: number;
  /** Drains and kinds remembered for it. */
  readonly remembersMax: number;
}

export interface EventCourierParts {
  /** Rejects when the event did not get there. */
  readonly send: (event: DrainEvent, signal: AbortSignal) => Promise<void>;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly logger: Logger;
  readonly metrics: EventMetrics;
}

/** Carries events out of the process in one way, beside everything else: nobody waits for it. */
export class EventCourier implements DrainEventSink {
  readonly #options: EventCourierOptions;
  readonly #parts: EventCourierParts;
  readonly #pending = new Set<Promise<void>>();
  /** When an event of a drain and kind was last taken. */
  readonly #takenMs = new Map<string, number>();
  readonly #stop = new AbortController();

  constructor(options: EventCourierOptions, parts: EventCourierParts) {
    this.#options = options;
    this.#parts = parts;
  }

  tell(event: DrainEvent): void {
    const { way, pendingMax } = this.#options;
    if (this.#stop.signal.aborted || !this.#mayTake(event)) return;
    if (this.#pending.size >= pendingMax) return this.#parts.metrics.ended(way, 'dropped');
    const carrying = this.#carry(event).finally(() => this.#pending.delete(carrying));
    this.#pending.add(carrying);
  }

  /** What is on its way may still arrive while waiting is allowed; what waits for another try is given up. */
  async close(signal: AbortSignal): ReturnType<Service['close']> {
    const { promise: isOver, resolve } = Promise.withResolvers<void>();
    signal.addEventListener('abort', () => resolve(), { once: true });
    if (signal.aborted) resolve();
    this.#stop.abort();
    await Promise.race([Promise.allSettled(this.#pending), isOver]);
  }

  #mayTake({ drain, kind }: DrainEvent): boolean {
    const key = `${drain} ${kind}`;
    const nowMs = this.#parts.clock.monotonicMs();
    const lastMs = this.#takenMs.get(key) ?? -Infinity;
    if (nowMs - lastMs < this.#options.intervalMs) return false;
    this.#takenMs.delete(key);
    this.#takenMs.set(key, nowMs);
    for (const oldest of this.#takenMs.keys()) {
      if (this.#takenMs.size <= this.#options.remembersMax) break;
      this.#takenMs.delete(oldest);
    }
    return true;
  }

  async #carry(event: DrainEvent): Promise<void> {
    const { way, triesMax } = this.#options;
    const { metrics, logger } = this.#parts;
    for (let tries = 1; ; tries++) {
      try {
        await this.#try(event);
        return metrics.ended(way, 'sent');
      } catch (error) {
        const isLast = tries >= triesMax || !(await this.#pause(tries));
        if (!isLast) continue;
        const { drain: drainId, kind } = event;
        logger.warn({ drainId, kind, way, err: error }, 'drain.event_not_sent');
        return metrics.ended(way, 'failed');
      }
    }
  }

  async #try(event: DrainEvent): Promise<void> {
    const limit = new AbortController();
    const { promise: isLate, reject } = Promise.withResolvers<never>();
    const cancelTimer = this.#parts.clock.after(this.#options.sendMsMax, () => {
      limit.abort();
      reject(new Error('took too long'));
    });
    try {
      await Promise.race([this.#parts.send(event, limit.signal), isLate]);
    } finally {
      cancelTimer();
    }
  }

  /** False when there is to be no other try. */
  async #pause(tries: number): Promise<boolean> {
    const { retryBaseMs: baseMs, retryMsMax: maxMs } = this.#options;
    const ms = backoffMs({ baseMs, maxMs }, tries - 1, this.#parts.chance.fraction());
    const { signal } = this.#stop;
    await this.#parts.clock.sleep(ms, signal).catch(() => undefined);
    return !signal.aborted;
  }
}

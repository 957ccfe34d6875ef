import { Counter, Gauge, Histogram, type Registry } from 'prom-client';
import { failureReasons, type Delivery } from './drain.ts';
import { outcomes, type Outcome } from './drain-books.ts';
import { drainKinds, type DrainKindName } from './drain-kind.ts';

/** Sums over all drains, read when metrics are asked for. */
export interface DrainTotals {
  readonly backlogMessages: number;
  /** Sum of how far each drain's books are off; see the identity in `drain-audit.ts`. */
  readonly imbalanceMessages: number;
  readonly queuedBytes: number;
  readonly workers: Readonly<Record<string, number>>;
  /** Drains that send again what they had already. */
  readonly replays: number;
}

/** What a drain's worker counts. */
export interface WorkerMetrics {
  attempted(delivery: Delivery, bytes: number, seconds: number): void;
  accounted(ends: Partial<Record<Outcome, number>>): void;
  uncountedGap(): void;
}

const attemptResults = ['delivered', 'written', 'retry', 'split', 'hold', 'refused'] as const;
const drainStates = ['live', 'lagging', 'catching up', 'held', 'paused', 'disabled'] as const;

export class DrainMetrics {
  readonly #registry: Registry;
  readonly #messages: Counter<'outcome'>;
  readonly #attempts: Counter<'kind' | 'result'>;
  readonly #failures: Counter<'kind' | 'reason'>;
  readonly #bytes: Counter;
  readonly #seconds: Histogram;
  readonly #uncounted: Counter;

  constructor(registry: Registry) {
    this.#registry = registry;
    const registers = [registry];
    this.#messages = new Counter({
      name: 'spillway_drain_messages_total',
      help: 'Lines that came to an end at a drain.',
      labelNames: ['outcome'],
      registers,
    });
    this.#attempts = new Counter({
      name: 'spillway_drain_attempts_total',
      help: 'Delivery attempts by what became of them.',
      labelNames: ['kind', 'result'],
      registers,
    });
    this.#failures = new Counter({
      name: 'spillway_drain_failures_total',
      help: 'Failed delivery attempts by reason.',
      labelNames: ['kind', 'reason'],
      registers,
    });
    this.#bytes = new Counter({
      name: 'spillway_drain_sent_bytes_total',
      help: 'Bytes of batches handed to receivers, repeated ones counted again.',
      registers,
    });
    this.#seconds = new Histogram({
      name: 'spillway_drain_delivery_seconds',
      help: 'Duration of delivery attempts.',
      buckets: [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 20],
      registers,
    });
    this.#uncounted = new Counter({
      name: 'spillway_uncounted_gaps_total',
      help: 'Losses whose size could not be known.',
      registers,
    });
    for (const outcome of outcomes) this.#messages.inc({ outcome }, 0);
    for (const kind of drainKinds) {
      for (const result of attemptResults) this.#attempts.inc({ kind, result }, 0);
      for (const reason of failureReasons) this.#failures.inc({ kind, reason }, 0);
    }
  }

  /** For the worker of a drain of this kind. */
  of(kind: DrainKindName): WorkerMetrics {
    return {
      attempted: (delivery, bytes, seconds) => this.#attempted(kind, delivery, bytes, seconds),
      accounted: (ends) => this.accounted(ends),
      uncountedGap: () => this.#uncounted.inc(),
    };
  }

  /** For whoever sends beside the books: the attempts are real, the lines have come to their ends already. */
  ofReplay(kind: DrainKindName): WorkerMetrics {
    return { ...this.of(kind), accounted: () => undefined, uncountedGap: () => undefined };
  }

  accounted(ends: Partial<Record<Outcome, number>>): void {
    for (const outcome of outcomes) {
      const count = ends[outcome] ?? 0;
      if (count > 0) this.#messages.inc({ outcome }, count);
    }
  }

  #attempted(kind: DrainKindName, delivery: Delivery, bytes: number, seconds: number): void {
    this.#attempts.inc({ kind, result: delivery.kind });
    if (delivery.kind === 'retry' || delivery.kind === 'hold') {
      this.#failures.inc({ kind, reason: delivery.reason });
    }
    this.#bytes.inc(bytes);
    this.#seconds.observe(seconds);
  }

  /** Reads the drains' totals whenever metrics are asked for, once for all that show them. */
  watch(totals: () => Promise<DrainTotals>): void {
    const registers = [this.#registry];
    let reading: Promise<DrainTotals> | undefined;
    // A scrape asks all metrics at the same time: what one of them set would show in another only at the next scrape.
    const read = (): Promise<DrainTotals> =>
      (reading ??= totals().finally(() => (reading = undefined)));
    const gauge = (name: string, help: string, value: (now: DrainTotals) => number): void =>
      void new Gauge({
        name,
        help,
        registers,
        async collect() {
          this.set(value(await read()));
        },
      });
    gauge(
      'spillway_conservation_imbalance_messages',
      'Lines whose end is not accounted for, or accounted for twice. Always 0.',
      (now) => now.imbalanceMessages,
    );
    gauge(
      'spillway_drain_queue_bytes',
      'Memory that queued lines take, all drains.',
      (now) => now.queuedBytes,
    );
    gauge('spillway_drain_replays', 'Replays that are running.', (now) => now.replays);
    gauge(
      'spillway_drain_backlog_messages',
      'Lines in the log that drains have not dealt with, all drains.',
      (now) => now.backlogMessages,
    );
    new Gauge({
      name: 'spillway_drains',
      help: 'Drains by state.',
      labelNames: ['state'],
      registers,
      async collect() {
        const { workers } = await read();
        for (const state of drainStates) this.set({ state }, workers[state] ?? 0);
      },
    });
  }
}

import type { LogBus, StoredRecord, Subscription } from '../bus/bus.ts';
import type { Sink } from '../bus/sink.ts';
import type { AppId } from '../core/ids.ts';
import type { Service } from '../core/service.ts';
import type { RouterMetrics } from './router-metrics.ts';

export interface RouterParts {
  readonly bus: Pick<LogBus, 'subscribe'>;
  readonly metrics: RouterMetrics;
}

/**
 * Offers every live record to the sinks of its app. It never waits and keeps nothing: a sink that cannot
 * take a record reads it from the log later.
 */
export class Router implements Service {
  readonly #parts: RouterParts;
  readonly #sinks = new Map<AppId, readonly Sink[]>();
  #subscription: Subscription | undefined;
  #partitions = 0;

  constructor(parts: RouterParts) {
    this.#parts = parts;
  }

  start(): void {
    this.#subscription = this.#parts.bus.subscribe({
      assigned: () => void this.#partitions++,
      revoked: () => void this.#partitions--,
      records: (_partition, records) => this.#route(records),
    });
  }

  /** From now on `sink` is offered the app's records; the returned function ends that. */
  attach(app: AppId, sink: Sink): () => void {
    this.#sinks.set(app, [...(this.#sinks.get(app) ?? []), sink]);
    return () => {
      const left = (this.#sinks.get(app) ?? []).filter((other) => other !== sink);
      if (left.length > 0) this.#sinks.set(app, left);
      else this.#sinks.delete(app);
    };
  }

  problem(): string | undefined {
    return this.#subscription && this.#partitions > 0 ? undefined : 'no partition to read';
  }

  close(): Promise<void> {
    this.#subscription?.close();
    this.#subscription = undefined;
    return Promise.resolve();
  }

  #route(records: readonly StoredRecord[]): void {
    let offers = 0;
    for (const record of records) {
      const sinks = this.#sinks.get(record.record.app);
      if (!sinks) continue;
      for (const sink of sinks) sink.offer(record);
      offers += sinks.length;
    }
    this.#parts.metrics.routed(records.length, offers);
  }
}

import type { StoredRecord, Subscription, SubscriptionHandlers } from './bus.ts';

/** Who hears of durable records, for engines that own all their partitions from start to end. */
export class Subscribers {
  readonly #partitions: number;
  readonly #epoch: number;
  readonly #live = new Map<SubscriptionHandlers, Set<number>>();

  constructor(partitions: number, epoch: number) {
    this.#partitions = partitions;
    this.#epoch = epoch;
  }

  add(handlers: SubscriptionHandlers): Subscription {
    const paused = new Set<number>();
    this.#live.set(handlers, paused);
    for (let p = 0; p < this.#partitions; p++) handlers.assigned(p, this.#epoch);
    return {
      pause: (partition) => void paused.add(partition),
      resume: (partition) => void paused.delete(partition),
      close: () => void this.#live.delete(handlers),
    };
  }

  publish(partition: number, records: readonly StoredRecord[]): void {
    for (const [handlers, paused] of this.#live) {
      if (!paused.has(partition)) handlers.records(partition, records);
    }
  }

  close(): void {
    for (const handlers of [...this.#live.keys()]) {
      this.#live.delete(handlers);
      for (let p = 0; p < this.#partitions; p++) handlers.revoked(p);
    }
  }
}

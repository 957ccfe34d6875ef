import { Counter, type Registry } from 'prom-client';

/** How an event leaves the process. */
export const eventWays = ['mail', 'webhook'] as const;
export type EventWay = (typeof eventWays)[number];

const results = ['sent', 'failed', 'dropped'] as const;

export class EventMetrics {
  readonly #events: Counter<'way' | 'result'>;

  constructor(registry: Registry) {
    this.#events = new Counter({
      name: 'spillway_drain_events_total',
      help: 'Mails and webhook calls about the state of drains, by what became of them.',
      labelNames: ['way', 'result'],
      registers: [registry],
    });
    for (const way of eventWays) for (const result of results) this.#events.inc({ way, result }, 0);
  }

  ended(way: EventWay, result: (typeof results)[number]): void {
    this.#events.inc({ way, result });
  }
}

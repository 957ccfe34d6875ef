import { Counter, type Registry } from 'prom-client';

export class RouterMetrics {
  readonly #records: Counter;
  readonly #offers: Counter;

  constructor(registry: Registry) {
    this.#records = new Counter({
      name: 'spillway_router_records_total',
      help: 'Live records seen.',
      registers: [registry],
    });
    this.#offers = new Counter({
      name: 'spillway_router_offers_total',
      help: 'Live records offered to sinks (drains and tails), each sink counted.',
      registers: [registry],
    });
  }

  routed(records: number, offers: number): void {
    this.#records.inc(records);
    this.#offers.inc(offers);
  }
}

import { Counter, Histogram, type Registry as MetricsRegistry } from 'prom-client';

export type { MetricsRegistry };

const statusClasses = ['2xx', '3xx', '4xx', '5xx'] as const;
const limitedWhats = ['password', 'mail', 'code', 'drain_test'] as const;
export type LimitedWhat = (typeof limitedWhats)[number];

export class ControllerMetrics {
  readonly #requests: Counter<'status'>;
  readonly #seconds: Histogram;
  readonly #limited: Counter<'what'>;

  constructor(registry: MetricsRegistry) {
    const registers = [registry];
    this.#requests = new Counter({
      name: 'spillway_controller_requests_total',
      help: 'API requests answered, by class of status.',
      labelNames: ['status'],
      registers,
    });
    this.#seconds = new Histogram({
      name: 'spillway_controller_request_seconds',
      help: 'Time from an API request to its answer; log streams are left out.',
      buckets: [0.001, 0.005, 0.02, 0.1, 0.5, 2, 10],
      registers,
    });
    this.#limited = new Counter({
      name: 'spillway_controller_limited_total',
      help: 'Attempts refused because there had been too many.',
      labelNames: ['what'],
      registers,
    });
    for (const status of statusClasses) this.#requests.inc({ status }, 0);
    for (const what of limitedWhats) this.#limited.inc({ what }, 0);
  }

  answered(status: number, seconds: number | undefined): void {
    const statusClass = statusClasses[Math.floor(status / 100) - 2];
    if (statusClass) this.#requests.inc({ status: statusClass });
    if (seconds !== undefined) this.#seconds.observe(seconds);
  }

  limited(what: LimitedWhat): void {
    this.#limited.inc({ what });
  }
}

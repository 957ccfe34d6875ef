import { Counter, Gauge, Histogram, type Registry } from 'prom-client';

export class BusMetrics {
  readonly #registry: Registry;
  readonly #records: Counter;
  readonly #bytes: Counter;
  readonly #seconds: Histogram;
  readonly #corrupt: Counter;

  constructor(registry: Registry) {
    this.#registry = registry;
    const registers = [registry];
    this.#records = new Counter({
      name: 'spillway_log_appended_records_total',
      help: 'Records made durable.',
      registers,
    });
    this.#bytes = new Counter({
      name: 'spillway_log_appended_bytes_total',
      help: 'Bytes written to segments.',
      registers,
    });
    this.#seconds = new Histogram({
      name: 'spillway_log_commit_seconds',
      help: 'Time from the start of a group commit until it is fsynced.',
      buckets: [0.0005, 0.001, 0.002, 0.005, 0.01, 0.02, 0.05, 0.1, 0.25, 1, 5],
      registers,
    });
    this.#corrupt = new Counter({
      name: 'spillway_log_corrupt_regions_total',
      help: 'Places in the log that could not be read and were skipped.',
      registers,
    });
  }

  committed(facts: { records: number; bytes: number; seconds: number }): void {
    this.#records.inc(facts.records);
    this.#bytes.inc(facts.bytes);
    this.#seconds.observe(facts.seconds);
  }

  corrupt(): void {
    this.#corrupt.inc();
  }

  /** Reads the log's size whenever metrics are asked for. */
  watch(bytes: () => number): void {
    new Gauge({
      name: 'spillway_log_size_bytes',
      help: 'Bytes of the log on disk.',
      registers: [this.#registry],
      collect() {
        this.set(bytes());
      },
    });
  }
}

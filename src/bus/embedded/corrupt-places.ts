import type { Logger } from '../../core/logger.ts';
import type { BusMetrics } from './bus-metrics.ts';

export interface CorruptPlacesParts {
  readonly metrics: Pick<BusMetrics, 'corrupt'>;
  readonly logger: Logger;
}

/** So many are told apart; more of them are counted each time they are met. */
const placesMax = 100_000;

/** The places in the log that cannot be read. Each counts once, however often it is met. */
export class CorruptPlaces {
  readonly #parts: CorruptPlacesParts;
  readonly #known = new Set<string>();

  constructor(parts: CorruptPlacesParts) {
    this.#parts = parts;
  }

  add(path: string, fileAt: number): void {
    const place = `${path} ${fileAt}`;
    if (this.#known.has(place)) return;
    if (this.#known.size < placesMax) this.#known.add(place);
    this.#parts.metrics.corrupt();
    this.#parts.logger.error({ path, fileAt }, 'log.record_unreadable');
  }
}

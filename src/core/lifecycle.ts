import type { Logger } from './logger.ts';
import type { Service } from './service.ts';

/** What has been started, in order; closes in the reverse order, within one deadline. */
export class Lifecycle {
  readonly #started: { name: string; close: Service['close'] }[] = [];
  readonly #logger: Logger;

  constructor(logger: Logger) {
    this.#logger = logger;
  }

  /** Registers a part that has just been started: starting it is what registers its close, so the order cannot drift. */
  add<T extends Pick<Service, 'close'>>(name: string, part: T): T {
    this.#started.push({ name, close: (signal) => part.close(signal) });
    return part;
  }

  /** Closes everything, newest first. A part that fails does not keep the others open; all failures are joined. */
  async close(signal: AbortSignal): Promise<void> {
    const failures: unknown[] = [];
    for (let part = this.#started.pop(); part; part = this.#started.pop()) {
      try {
        await part.close(signal);
        this.#logger.debug({ part: part.name }, 'lifecycle.closed');
      } catch (error) {
        failures.push(error);
        this.#logger.error({ part: part.name, err: error }, 'lifecycle.close_failed');
      }
    }
    if (failures.length > 0) throw new AggregateError(failures, 'some parts failed to close');
  }
}

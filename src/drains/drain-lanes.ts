import type { Batch, Delivery, Drain } from './drain.ts';

/** Several drains to one place, each with one batch at a time: as many batches under way as there are lanes. */
export class DrainLanes implements Drain {
  readonly #lanes: readonly Drain[];
  /** The one that was used last is taken first, so that those that are not needed fall idle and close. */
  readonly #free: Drain[];

  constructor(lanes: readonly Drain[]) {
    this.#lanes = lanes;
    this.#free = [...lanes];
  }

  async deliver(batch: Batch, signal: AbortSignal): Promise<Delivery> {
    const lane = this.#free.pop();
    if (!lane) throw new Error('more batches than lanes');
    try {
      return await lane.deliver(batch, signal);
    } finally {
      this.#free.push(lane);
    }
  }

  async close(signal: AbortSignal): Promise<void> {
    await Promise.all(this.#lanes.map((lane) => lane.close(signal)));
  }
}

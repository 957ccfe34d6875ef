import { systemClock, type Clock } from '../../src/core/clock.ts';

/** The real clock, which knows how many of its timers are still to come. */
export class CountingClock implements Clock {
  readonly #pending = new Set<object>();

  get pending(): number {
    return this.#pending.size;
  }

  nowMs(): number {
    return systemClock.nowMs();
  }

  monotonicMs(): number {
    return systemClock.monotonicMs();
  }

  async sleep(ms: number, signal?: AbortSignal): Promise<void> {
    const timer = {};
    this.#pending.add(timer);
    await systemClock.sleep(ms, signal).finally(() => this.#pending.delete(timer));
  }

  after(ms: number, task: () => void): () => void {
    return this.#count((done) =>
      systemClock.after(ms, () => {
        done();
        task();
      }),
    );
  }

  every(ms: number, task: () => void): () => void {
    return this.#count(() => systemClock.every(ms, task));
  }

  #count(start: (done: () => void) => () => void): () => void {
    const timer = {};
    const done = (): void => void this.#pending.delete(timer);
    this.#pending.add(timer);
    const cancel = start(done);
    return () => {
      done();
      cancel();
    };
  }
}

import type { Clock } from '../../core/clock.ts';

/** Measures steps that follow each other. */
export class StepTimes<Step extends string> {
  readonly #clock: Clock;
  readonly #done: { readonly step: Step; readonly ms: number }[] = [];
  #sinceMs: number;

  constructor(parts: { clock: Clock }) {
    this.#clock = parts.clock;
    this.#sinceMs = parts.clock.monotonicMs();
  }

  /** Those that are done, in order, with what each took. */
  get done(): readonly { readonly step: Step; readonly ms: number }[] {
    return this.#done;
  }

  finish(step: Step): void {
    const nowMs = this.#clock.monotonicMs();
    this.#done.push({ step, ms: Math.round(nowMs - this.#sinceMs) });
    this.#sinceMs = nowMs;
  }
}

import type { Random } from './random.ts';

/** When a source has lines: a mean rate, with a new mood every second. */
export class Pace {
  readonly #perSecond: number;
  readonly #random: Random;
  #slot = -1;
  #factor = 1;
  #atMs = 0;
  #owed = 0;

  constructor(perSecond: number, random: Random) {
    this.#perSecond = perSecond;
    this.#random = random;
  }

  /** Lines that came up since it was last asked; `nowMs` counts from the start. */
  due(nowMs: number): number {
    while (this.#atMs < nowMs) {
      const slot = Math.floor(this.#atMs / slotMs);
      for (; this.#slot < slot; this.#slot++) this.#factor = this.#random.pick(moods);
      const untilMs = Math.min(nowMs, (slot + 1) * slotMs);
      this.#owed += (this.#perSecond * this.#factor * (untilMs - this.#atMs)) / 1000;
      this.#atMs = untilMs;
    }
    const lines = Math.floor(this.#owed);
    this.#owed -= lines;
    return lines;
  }
}

const slotMs = 1000;
/** Their mean is 1. */
const moods = [0, 0.5, 1, 1, 2.5] as const;

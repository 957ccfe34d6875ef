/** What is left of many measurements. Milliseconds. */
export interface Summary {
  readonly count: number;
  readonly p50: number;
  readonly p99: number;
  readonly max: number;
}

/** Measurements by phase of a bench. */
export class Samples {
  readonly #phases = new Map<string, number[]>();
  #current: number[] | undefined;

  /** What is added from now on belongs to this phase; without a name, to none. */
  phase(name: string | undefined): void {
    if (name === undefined) {
      this.#current = undefined;
      return;
    }
    this.#current = this.#phases.get(name) ?? [];
    this.#phases.set(name, this.#current);
  }

  add(ms: number): void {
    this.#current?.push(ms);
  }

  get summary(): Record<string, Summary> {
    return Object.fromEntries([...this.#phases].map(([name, all]) => [name, summaryOf(all)]));
  }
}

function summaryOf(all: readonly number[]): Summary {
  const sorted = Float64Array.from(all).sort();
  const at = (part: number): number => sorted[Math.floor((sorted.length - 1) * part)] ?? NaN;
  return { count: sorted.length, p50: at(0.5), p99: at(0.99), max: at(1) };
}

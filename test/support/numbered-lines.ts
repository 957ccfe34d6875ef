/** Lines of a run, as an app would write them: most are short, some have what breaks naive pipelines. */
export function numberedLine(n: number): string {
  if (n % 97 === 0) return `n=${n} \u001b[36mweb.1  | \u001b[0mcoloured\n`;
  if (n % 89 === 0) return `n=${n} grüße, 你好, 🚰\n`;
  if (n % 83 === 0) return `n=${n} nul \0 within\n`;
  if (n % 5003 === 0) return `n=${n} ${'long '.repeat(3000)}\n`;
  return `n=${n} [info] GET / status=200 duration=12ms\n`;
}

/** An empty line comes after each of these. */
export function isFollowedByEmpty(n: number): boolean {
  return n % 500 === 0;
}

/** The number of a message that begins with one; undefined for pieces of long lines, empty lines and notices. */
function numberIn(text: string): number | undefined {
  const match = /^n=(\d+) /.exec(text);
  return match ? Number(match[1]) : undefined;
}

/** What a receiver has, by number, once repeats are taken out. */
export class NumberLedger {
  readonly #seen = new Map<number, number>();
  #last = -1;
  outOfOrder = 0;
  others = 0;

  add(text: string): void {
    const n = numberIn(text);
    if (n === undefined) {
      this.others++;
      return;
    }
    const times = this.#seen.get(n) ?? 0;
    this.#seen.set(n, times + 1);
    if (times === 0 && n < this.#last) this.outOfOrder++;
    this.#last = Math.max(this.#last, n);
  }

  get distinct(): number {
    return this.#seen.size;
  }

  get highest(): number {
    return this.#last;
  }

  /** Numbers seen more than once. */
  get repeated(): number {
    return [...this.#seen.values()].filter((times) => times > 1).length;
  }

  missing(count: number): number[] {
    const missing: number[] = [];
    for (let n = 0; n < count; n++) if (!this.#seen.has(n)) missing.push(n);
    return missing;
  }
}

import type { StoredRecord } from '../bus/bus.ts';
import type { AppId } from '../core/ids.ts';
import type { RejectedCounts } from '../core/record.ts';

/** One kind of notice about rejected lines. */
export type RejectionCode = 'L16' | 'L17';

const reasonsOf = {
  L16: ['rate_limited'],
  L17: ['malformed', 'count_mismatch'],
} as const satisfies Record<RejectionCode, readonly (keyof RejectedCounts)[]>;
const codes = Object.keys(reasonsOf) as RejectionCode[];

/** Rejected lines of an app that its stream has not been told of. */
export interface RejectionSum {
  readonly app: AppId;
  readonly code: RejectionCode;
  count: number;
  /** Offsets of the first and the last record whose header has a part of it. */
  readonly from: number;
  to: number;
  /** Receipt time of the first of them. */
  readonly sinceMs: number;
}

/** `<code>-<drain>-<from>-<to>`; it is nobody's drain. The range makes it the same however often it is made. */
export function noticeId({ code, from, to }: RejectionSum): string {
  return `${code}-0-${from}-${to}`;
}

const idPattern = /^(L16|L17)-0-(\d+)-(\d+)$/;

/** What one partition's log says about rejected lines, in log order. */
export class RejectionSums {
  #pending = new Map<string, RejectionSum>();
  /** Ranges that are being announced. They do not grow any more. */
  readonly #announcing = new Set<RejectionSum>();

  /** Counts a record; `announced` is what {@link AnnouncedRejections} found beyond it. */
  add(stored: StoredRecord, announced?: AnnouncedRejections): void {
    const { rejected, app, receivedAtMs } = stored.record;
    for (const code of codes) {
      let count = 0;
      for (const reason of reasonsOf[code]) count += rejected[reason] ?? 0;
      const at = stored.position.offset;
      if (count === 0 || announced?.has(app, code, at)) continue;
      const key = keyOf(app, code);
      const sum = this.#pending.get(key);
      if (sum) {
        sum.count += count;
        sum.to = at;
      } else {
        this.#pending.set(key, { app, code, count, from: at, to: at, sinceMs: receivedAtMs });
      }
    }
  }

  /** Everything to announce now: what is pending, and what could not be announced before. */
  take(): RejectionSum[] {
    const again = [...this.#announcing];
    const busy = new Set(again.map(({ app, code }) => keyOf(app, code)));
    for (const [key, sum] of this.#pending) {
      // One notice of a kind at a time, so that the ranges of an app follow each other in the log.
      if (busy.has(key)) continue;
      this.#pending.delete(key);
      this.#announcing.add(sum);
    }
    return [...this.#announcing];
  }

  announced(sum: RejectionSum): void {
    this.#announcing.delete(sum);
  }

  /** The first offset that is not announced; undefined when everything is. */
  get lowest(): number | undefined {
    let lowest: number | undefined;
    for (const { from } of [...this.#pending.values(), ...this.#announcing]) {
      lowest = Math.min(lowest ?? from, from);
    }
    return lowest;
  }
}

/** The notices that are in the log already, by how far they reach. */
export class AnnouncedRejections {
  readonly #through = new Map<string, number>();

  add({ record }: StoredRecord): void {
    const [, code, , to] = idPattern.exec(record.notice?.id ?? '') ?? [];
    if (code === undefined) return;
    const key = keyOf(record.app, code);
    this.#through.set(key, Math.max(this.#through.get(key) ?? 0, Number(to)));
  }

  has(app: AppId, code: RejectionCode, offset: number): boolean {
    return offset <= (this.#through.get(keyOf(app, code)) ?? -1);
  }
}

function keyOf(app: AppId, code: string): string {
  return `${code}-${app}`;
}

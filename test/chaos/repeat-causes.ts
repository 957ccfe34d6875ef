import type { Repeat } from './drain-ledger.ts';
import type { Evidence, PastFault } from './verdict.ts';

/**
 * What came before repeats, by drain kind: lines for each kind of fault that was the last to begin before them. It
 * explains, and judges nothing.
 */
export function repeatCauses({ drains, faults }: Evidence): readonly (readonly [string, string])[] {
  const lines = new Map<string, Map<string, number>>();
  for (const { drain, kind, repeatedBatches, repeats } of drains) {
    const near = faults.filter((fault) => fault.drain === undefined || fault.drain === drain);
    const sums = lines.get(kind) ?? new Map<string, number>();
    lines.set(kind, sums);
    for (const repeat of [...repeatedBatches, ...repeats]) {
      const cause = causeOf(repeat, near);
      sums.set(cause, (sums.get(cause) ?? 0) + repeat.lines);
    }
  }
  return [...lines].map(([kind, sums]) => [`${kind}: repeats after`, listed(sums)]);
}

function causeOf({ againTick }: Repeat, faults: readonly PastFault[]): string {
  const before = faults.filter(({ startTick }) => startTick <= againTick);
  const last = before.sort((a, b) => b.startTick - a.startTick)[0];
  return last?.kind ?? 'nothing';
}

function listed(sums: ReadonlyMap<string, number>): string {
  const largest = [...sums].sort(([, a], [, b]) => b - a);
  return largest.map(([cause, count]) => `${cause} ${count}`).join(', ') || 'none';
}

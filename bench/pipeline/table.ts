import type { LedgerReport } from './ledger-receiver.ts';
import type { Summary } from './samples.ts';

export const print = (line = ''): void => void process.stdout.write(`${line}\n`);

let saidAtMs = 0;

/** For whoever watches; at most once a second. */
export function progress(line: string): void {
  if (performance.now() - saidAtMs < 1000) return;
  saidAtMs = performance.now();
  process.stderr.write(`${(saidAtMs / 1000).toFixed(1)} s: ${line}\n`);
}

/** The head of a table of p99 before and during something. */
export function tableHead(before: string, during: string): string {
  return `| p99 in ms | ${before} | ${during} | factor | goal |\n|---|---|---|---|---|`;
}

export function tableRow(name: string, before: number, during: number, goal: number): string {
  const factor = (during / before).toFixed(2);
  return `| ${name} | ${before.toFixed(1)} | ${during.toFixed(1)} | ${factor} | ≤ ${goal} |`;
}

/** As {@link tableRow}, of two phases that were measured. */
export function phasesRow(
  name: string,
  latencies: Record<string, Summary>,
  [before, during]: readonly [string, string],
  goal: number,
): string {
  return tableRow(name, latencies[before]?.p99 ?? NaN, latencies[during]?.p99 ?? NaN, goal);
}

/** Whether each drain got each line once: `next` numbers from 0 have come when nothing is missing. */
export function verdict(
  { drains }: Pick<LedgerReport, 'drains'>,
  owed: (drain: string) => number,
): string {
  let missing = 0;
  let repeats = 0;
  let lines = 0;
  for (const [name, drain] of Object.entries(drains)) {
    missing += drain.gaps + Math.max(0, owed(name) - drain.next);
    repeats += drain.repeats;
    lines += drain.lines;
  }
  const count = Object.keys(drains).length;
  return `${count} drains, ${thousands(lines)} lines: ${missing} missing, ${repeats} repeated`;
}

export const thousands = (value: number): string => Math.round(value).toLocaleString('en');
export const mib = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;

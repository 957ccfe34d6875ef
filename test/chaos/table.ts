import type { ChaosResult } from './run-chaos.ts';

/** The result of a run as Markdown: what it was, what it came to, and each missing line's last trace. */
export function table(result: ChaosResult): string {
  const { scenario, checks, facts, triaged } = result;
  const rows = [
    `chaos ${scenario.name}, seed ${scenario.seed}, commit ${result.commit}, ${result.seconds.toFixed(0)} s: **${result.result}**`,
    '',
    '| check | what | found | wanted | |',
    '| --- | --- | --- | --- | --- |',
    ...checks.map(
      ({ check, what, found, wanted, ok }) =>
        `| ${check} | ${what} | ${found} | ${wanted} | ${ok ? (wanted === '' ? '' : 'ok') : 'NO'} |`,
    ),
    ...facts.map(([what, found]) => `| | ${what} | ${found} | | |`),
  ];
  const missing = triaged.map(
    ({ drain, app, source, sequence, where }) =>
      `missing at drain ${drain}: app ${app}, source ${source}, line ${sequence}: ${where}`,
  );
  return [...rows, ...missing, ''].join('\n');
}

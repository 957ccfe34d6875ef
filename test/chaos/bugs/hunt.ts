import { runChaos, type ChaosResult } from '../run-chaos.ts';
import { scaled, scenarios } from '../scenario.ts';
import { table } from '../table.ts';
import { BuggyCopy } from './buggy-copy.ts';
import { seededBugs, type SeededBug } from './seeded-bugs.ts';

/**
 * Runs a copy of Spillway with each of the seeded bugs in it, and the sources as they are, which must pass: a
 * harness that fails everything catches all bugs too. Resolves with the exit code.
 */
export async function hunt(
  by: { readonly only: string | undefined; readonly seed: number },
  progress: (line: string) => void,
): Promise<number> {
  const bugs = seededBugs.filter(({ name }) => by.only === undefined || name.includes(by.only));
  const rows: string[] = [];
  let isSound = true;
  for (const name of ['bugs', 'overrun'] as const) {
    if (by.only !== undefined) continue;
    const result = await runBuggy(undefined, name, by.seed, progress);
    if (result.result !== 'passed') {
      isSound = false;
      progress(table(result));
    }
    rows.push(`| none (${name}) | ${result.result} | ${failedIn(result)} |`);
  }
  let caught = 0;
  for (const bug of bugs) {
    const result = await runBuggy(bug, bug.scenario, by.seed, progress);
    const isCaught = result.checks.some(({ check, ok }) => !ok && bug.caughtBy.includes(check));
    if (isCaught) caught++;
    else progress(table(result));
    rows.push(`| ${bug.name} | ${isCaught ? 'caught' : 'MISSED'} | ${failedIn(result)} |`);
    progress(rows.at(-1) ?? '');
  }
  const head = ['| seeded bug | result | by |', '| --- | --- | --- |'];
  const sum = `${caught} of ${bugs.length} caught${isSound ? '' : ', but the sources as they are did not pass'}`;
  process.stdout.write(`${[...head, ...rows].join('\n')}\n\n${sum}, seed ${by.seed}\n`);
  return caught === bugs.length && isSound ? 0 : 1;
}

async function runBuggy(
  bug: SeededBug | undefined,
  scenario: SeededBug['scenario'],
  seed: number,
  progress: (line: string) => void,
): Promise<ChaosResult> {
  progress(`--- ${bug?.name ?? 'no bug'}`);
  await using copy = await BuggyCopy.create(bug);
  return await runChaos(scaled(scenarios[scenario], { seed }), copy.root, progress);
}

function failedIn({ checks }: ChaosResult): string {
  const failed = checks.filter(({ ok }) => !ok);
  return failed.map(({ check, what, found }) => `${check}: ${what}: ${found}`).join('; ') || '-';
}

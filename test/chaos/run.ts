/**
 * `npm run chaos -- <smoke|nightly|soak|overrun|bugs> [--lines n] [--kills n] [--seed n] [--only bug]`: breaks a
 * running Spillway in every way it knows and says whether its promises held. Exit code 0 passed, 1 failed, 2 invalid:
 * the faults did not really happen. Everything is on 127.0.0.1 and stops by itself.
 */
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { hunt } from './bugs/hunt.ts';
import { runChaos } from './run-chaos.ts';
import { scaled, scenarios, type ScenarioName } from './scenario.ts';
import { table } from './table.ts';

const { values, positionals } = parseArgs({
  allowPositionals: true,
  options: {
    lines: { type: 'string' },
    kills: { type: 'string' },
    seed: { type: 'string' },
    only: { type: 'string' },
  },
});
const tier = positionals[0] ?? 'smoke';
const root = join(import.meta.dirname, '../..');
const progress = (line: string): void => void process.stderr.write(`${line}\n`);

const seed = values.seed === undefined ? Date.now() % 2 ** 31 : Number(values.seed);

if (tier === 'bugs') {
  process.exit(await hunt({ only: values.only, seed }, progress));
} else {
  if (!(tier in scenarios))
    throw new Error(`no tier ${tier}: ${Object.keys(scenarios).join(', ')}`);
  const scenario = scaled(scenarios[tier as ScenarioName], {
    seed,
    ...(values.lines === undefined ? {} : { lines: Number(values.lines) }),
    ...(values.kills === undefined ? {} : { kills: Number(values.kills) }),
  });
  progress(`chaos ${tier}, seed ${scenario.seed}`);
  const result = await runChaos(scenario, root, progress);
  process.stdout.write(table(result));
  process.exit({ passed: 0, failed: 1, invalid: 2 }[result.result]);
}

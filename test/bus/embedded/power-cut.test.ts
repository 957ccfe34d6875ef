import { expect, test } from 'vitest';
import { LogScenario } from '../../support/log-scenario.ts';

/** SPILLWAY_SEEDS=10000 for the nightly tier, SPILLWAY_FIRST_SEED to look at one again. */
const seeds = Number(process.env['SPILLWAY_SEEDS'] ?? 200);
const firstSeed = Number(process.env['SPILLWAY_FIRST_SEED'] ?? 0);

test(
  `keeps its promises over power cuts at any moment, again while it recovers (${seeds} seeds)`,
  { timeout: 30_000 + seeds * 500 },
  async () => {
    const seen = { cuts: 0, kills: 0, torn: 0, dropped: 0, acknowledged: 0, refused: 0 };
    for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
      const scenario = new LogScenario(seed);
      try {
        await scenario.run();
      } catch (error) {
        throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
      }
      for (const fact of Object.keys(seen) as (keyof typeof seen)[]) {
        seen[fact] += scenario.seen[fact];
      }
    }
    // What did not happen was not tested.
    if (seeds >= 100) {
      for (const [fact, count] of Object.entries(seen)) {
        expect(count, `${fact} in ${seeds} seeds`).toBeGreaterThan(seeds / 20);
      }
    }
    process.stderr.write(`power cuts: ${JSON.stringify({ seeds, ...seen })}\n`);
  },
);

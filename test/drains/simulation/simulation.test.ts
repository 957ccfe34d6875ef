import { expect, test } from 'vitest';
import { Simulation } from './simulation.ts';

/** SPILLWAY_SEEDS=10000 for the nightly tier, SPILLWAY_FIRST_SEED to look at one again. */
const seeds = Number(process.env['SPILLWAY_SEEDS'] ?? 500);
const firstSeed = Number(process.env['SPILLWAY_FIRST_SEED'] ?? 0);

test(
  `accounts for every line in histories of crashes, lies and losses (${seeds} seeds)`,
  { timeout: 60_000 + seeds * 500 },
  async () => {
    const seen: Record<string, number> = {};
    for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
      const simulation = new Simulation(seed);
      try {
        await simulation.run();
      } catch (error) {
        throw new Error(`seed ${seed}: ${(error as Error).message}`, { cause: error });
      }
      for (const [fact, count] of Object.entries(simulation.seen)) {
        seen[fact] = (seen[fact] ?? 0) + count;
      }
    }
    // What did not happen was not tested.
    if (seeds >= 100) {
      for (const [fact, count] of Object.entries(seen)) {
        expect(count, `${fact} in ${seeds} seeds`).toBeGreaterThan(seeds / 20);
      }
    }
    process.stderr.write(`drains: ${JSON.stringify({ seeds, ...seen })}\n`);
  },
);

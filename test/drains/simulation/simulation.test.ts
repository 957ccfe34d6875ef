import { expect, test } from 'vitest';
import { Simulation } from './simulation.ts';

const seeds = Number(process.env['SPILLWAY_SEEDS'] ?? 500);
const firstSeed = Number(process.env['SPILLWAY_SEED'] ?? 1);

test(
  `${seeds} histories of crashes, lies and losses end with every line accounted for`,
  { timeout: 60_000 + seeds * 500 },
  async () => {
    const totals = { hours: 0, crashes: 0, lost: 0, refused: 0, delivered: 0 };
    for (let seed = firstSeed; seed < firstSeed + seeds; seed++) {
      const summary = await new Simulation(seed).run().catch((error: unknown) => {
        throw new Error(`seed ${seed} (SPILLWAY_SEEDS=1 SPILLWAY_SEED=${seed})`, { cause: error });
      });
      totals.hours += summary.hours;
      totals.crashes += summary.crashes;
      totals.lost += summary.lost;
      totals.refused += summary.refused;
      totals.delivered += summary.delivered;
    }
    // A run in which nothing bad happened proves nothing.
    if (seeds < 100) return;
    expect(totals.hours).toBeGreaterThan(2 * seeds);
    expect(totals.crashes).toBeGreaterThan(seeds);
    expect(Math.min(totals.lost, totals.refused)).toBeGreaterThan(seeds);
    expect(totals.delivered).toBeGreaterThan(20 * seeds);
  },
);

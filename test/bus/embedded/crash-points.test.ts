import { expect, test } from 'vitest';
import type { EmbeddedLog } from '../../../src/bus/embedded/embedded-log.ts';
import type { FakeClock } from '../../support/fake-clock.ts';
import { LogModel } from '../../support/log-model.ts';
import { SeededChance } from '../../support/seeded-chance.ts';
import { openSimulated } from '../../support/simulated-log.ts';
import {
  SimulatedDisk,
  type OperationKind,
  type SimulatedStorage,
} from '../../support/simulated-storage.ts';

/** SPILLWAY_CRASH_POINTS=500 for the nightly tier: each of the first 500 operations of each kind. */
const pointsMax = Number(process.env['SPILLWAY_CRASH_POINTS'] ?? 60);
const kinds: readonly OperationKind[] = ['sync', 'write', 'rename', 'unlink', 'syncDirectory'];
const options = { retentionBytesMax: 5000 };

interface Point {
  readonly kind: OperationKind;
  readonly nth: number;
}

/** Appends, checkpoints, seals and retention, always the same. */
async function work(bus: EmbeddedLog, clock: FakeClock, model: LogModel): Promise<void> {
  const chance = new SeededChance(7);
  // Long enough for the rarest kind.
  for (let round = 0; round < pointsMax * 1.5; round++) {
    await model.append(bus, 1 + (round % 3), chance, 1 + (round % 2));
    if (round % 3 === 0) {
      await bus.checkpoints.append(0, 1, new Map([['drain:1', { n: round }]]));
      await bus.checkpoints.sync();
    }
    if (round % 5 === 0) await clock.advance(1000);
  }
}

/** Ends the process at one operation of the workload, and its successors while they start. */
async function crashAt(point: Point, chance: SeededChance): Promise<{ wasReached: boolean }> {
  const disk = new SimulatedDisk();
  const model = new LogModel([1, 2, 3]);
  const when = chance.pick(['before', 'during', 'after'] as const);
  const storage = disk.attach({
    before: (kind, { nth }) =>
      kind === point.kind && nth === point.nth ? { kind: 'crash', when } : undefined,
  });
  const whole = async (): Promise<void> => {
    const { bus, clock } = await openSimulated(storage, { options });
    model.follow(bus);
    await work(bus, clock, model);
  };
  await untilCrash(storage, whole());
  const wasReached = storage.counts[point.kind] >= point.nth;
  end(disk, chance);
  for (let again = chance.below(3); again > 0; again--) {
    const at = 1 + chance.below(25);
    const successor = disk.attach({
      before: (_kind, { n }) => (n === at ? { kind: 'crash', when: 'during' } : undefined),
    });
    await untilCrash(successor, openSimulated(successor, { options }));
    end(disk, chance);
  }
  const { bus } = await openSimulated(disk.attach(), { options });
  await model.check(bus);
  model.follow(bus);
  await model.append(bus, 1, chance);
  await bus.close();
  return { wasReached };
}

async function untilCrash(storage: SimulatedStorage, run: Promise<unknown>): Promise<void> {
  await Promise.race([run, storage.crashed]);
}

function end(disk: SimulatedDisk, chance: SeededChance): void {
  if (chance.percent(50)) disk.kill();
  else disk.cutPower(chance);
}

for (const kind of kinds) {
  test(
    `loses nothing acknowledged and starts again, stopped at any ${kind}, also while it recovers`,
    { timeout: 20_000 + pointsMax * 400 },
    async () => {
      let reached = 0;
      for (let nth = 1; nth <= pointsMax; nth++) {
        try {
          const { wasReached } = await crashAt({ kind, nth }, new SeededChance(nth));
          if (!wasReached) break;
          reached++;
        } catch (error) {
          throw new Error(`at ${kind} ${nth}: ${(error as Error).message}`, { cause: error });
        }
      }
      expect(reached).toBe(pointsMax);
    },
  );
}

import { expect, test } from 'vitest';
import type { EmbeddedLog } from '../../../src/bus/embedded/embedded-log.ts';
import { settle, type FakeClock } from '../../support/fake-clock.ts';
import { LogModel } from '../../support/log-model.ts';
import { SeededChance } from '../../support/seeded-chance.ts';
import { openSimulated } from '../../support/simulated-log.ts';
import { SimulatedDisk, type OperationKind } from '../../support/simulated-storage.ts';

/** SPILLWAY_FAULT_SWEEP=1 for the nightly tier: each operation of the script is the first to fail. Otherwise every third. */
const stride = process.env['SPILLWAY_FAULT_SWEEP'] === '1' ? 1 : 3;

/** So small that the script appends, rolls, seals, compacts and drops. */
const options = { segmentBytes: 1000, retentionBytesMax: 3500, checkpointCompactBytesMin: 300 };
const rounds = 24;
const longestRequestBytes = 60_000;

/** From operation `from` on, `count` of them fail. */
interface Faults {
  readonly code: 'ENOSPC' | 'EIO';
  readonly from: number;
  readonly count: number;
  /** They are over, and so is the script, as soon as lines have been refused. */
  readonly endsWhenRefused?: boolean;
}

const noFaults: Faults = { code: 'EIO', from: 0, count: 0 };
/** To give up space needs none. */
const needsSpace = (kind: OperationKind): boolean => kind !== 'unlink' && kind !== 'truncate';

/** One log on one disk, whose first process meets the faults. */
class Life {
  readonly disk = new SimulatedDisk();
  readonly model = new LogModel([1, 2, 3]);
  readonly #faults: Faults;
  readonly #storage;
  isOver = false;
  /** The operations that failed. */
  readonly hits: string[] = [];
  refused = 0;

  constructor(faults: Faults) {
    this.#faults = faults;
    this.#storage = this.disk.attach({
      before: (kind, { n }, path) => {
        const isHit = !this.isOver && n >= faults.from && n < faults.from + faults.count;
        if (!isHit || (faults.code === 'ENOSPC' && !needsSpace(kind))) return undefined;
        this.hits.push(`${kind} ${path}`);
        return { kind: 'error', code: faults.code };
      },
    });
  }

  get counts(): Readonly<Record<OperationKind | 'all', number>> {
    return this.#storage.counts;
  }

  /** As the process does it: again and again while the disk refuses. */
  async openPatiently(
    onFatal: (error: unknown) => void,
  ): Promise<{ bus: EmbeddedLog; clock: FakeClock }> {
    for (let attempt = 0; attempt < 100; attempt++) {
      try {
        const opened = await openSimulated(this.#storage, { options, onFatal });
        this.model.follow(opened.bus);
        return opened;
      } catch (error) {
        expect((error as NodeJS.ErrnoException).code).toBe(this.#faults.code);
        expect(this.#storage.openFiles, 'files left open by a failed start').toBe(0);
      }
    }
    throw new Error('it never opened');
  }

  /** Always the same, but for what is refused. */
  async work({ bus, clock }: { bus: EmbeddedLog; clock: FakeClock }): Promise<void> {
    const chance = new SeededChance(5);
    for (let round = 0; round < rounds && !this.isOver; round++) {
      await this.append(bus, chance, round);
      if (round % 3 === 0) {
        const entry = new Map([['drain:1', { n: round }]]);
        await bus.checkpoints.append(0, 1, entry).catch(() => undefined);
        await bus.checkpoints.sync().catch(() => undefined);
      }
      if (round % 6 === 0) await clock.advance(1000);
    }
    // The last seal and what follows it.
    for (let turn = 0; turn < 20; turn++) await settle();
  }

  async append(bus: EmbeddedLog, chance: SeededChance, round: number): Promise<void> {
    await this.model.append(bus, 1 + (round % 3), chance, 1 + (round % 3)).catch((error) => {
      if ((error as { code?: string }).code !== 'BUS_UNAVAILABLE') throw error;
      this.refused++;
      if (this.#faults.endsWhenRefused) this.isOver = true;
    });
  }

  /** What a new process finds, on a disk that is sound. */
  async check(): Promise<void> {
    const { bus } = await openSimulated(this.disk.attach(), { options });
    expect((await this.model.check(bus)).missing).toBe(0);
    await bus.close();
  }
}

async function operationsOfScript(): Promise<number> {
  const life = new Life(noFaults);
  await life.work(await life.openPatiently(() => undefined));
  for (const kind of ['create', 'write', 'sync', 'syncDirectory', 'rename', 'unlink'] as const) {
    expect(life.counts[kind], kind).toBeGreaterThan(8);
  }
  return life.counts.all;
}

/** A full disk: lines are refused, nothing else happens, and it goes on by itself when there is space. */
async function fillAt(from: number, count: number, chance: SeededChance): Promise<Life> {
  const isShort = chance.percent(50);
  const life = new Life({ code: 'ENOSPC', from, count, endsWhenRefused: isShort });
  const fatal: unknown[] = [];
  const { bus, clock } = await life.openPatiently((error) => fatal.push(error));
  await life.work({ bus, clock });
  life.isOver = true;
  await clock.advance(1000);
  expect(bus.problem()).toBeUndefined();
  await life.model.append(bus, 1, chance);
  life.model.forgetRefused();
  expect((await life.model.check(bus)).missing).toBe(0);
  // The less is written now, the more there is to see of what was refused.
  for (let i = 0; i < 12 && !isShort; i++) await life.model.append(bus, 1 + (i % 3), chance);
  await bus.retain({ age: false });
  expect(bus.bytes).toBeLessThan(options.retentionBytesMax + longestRequestBytes);
  expect(fatal).toEqual([]);
  const ending = chance.below(3);
  if (ending === 0) await bus.close();
  else if (ending === 1) life.disk.kill();
  else life.disk.cutPower(chance);
  await life.check();
  return life;
}

/** A device that fails: the process is told to end at once, or its start failed. Then all that was promised is there. */
async function failAt(from: number, count: number, chance: SeededChance): Promise<Life> {
  const life = new Life({ code: 'EIO', from, count });
  const fatal: unknown[] = [];
  const opened = await life.openPatiently((error) => {
    fatal.push(error);
    life.isOver = true;
  });
  const failedStarts = life.hits.length;
  await life.work(opened);
  // Else somebody went on with what the disk may have lost.
  expect(fatal.length + failedStarts, life.hits.join()).toBeGreaterThan(0);
  if (chance.percent(50)) life.disk.kill();
  else life.disk.cutPower(chance);
  await life.check();
  life.disk.cutPower(chance);
  await life.check();
  return life;
}

const ways = [
  { what: 'no space', run: fillAt },
  { what: 'a failing device', run: failAt },
];

for (const { what, run } of ways) {
  for (const count of [1, 3, 40]) {
    test(
      `${what} at any operation, ${count} in a row: nothing acknowledged is lost, nothing is stored by half, and it goes on`,
      { timeout: 120_000 },
      async () => {
        const length = await operationsOfScript();
        const seen = { hits: 0, refused: 0 };
        for (let from = 1 + (count % stride); from <= length; from += stride) {
          try {
            const life = await run(from, count, new SeededChance(from));
            seen.hits += life.hits.length;
            seen.refused += life.refused;
          } catch (error) {
            throw new Error(`from operation ${from}: ${(error as Error).message}`, {
              cause: error,
            });
          }
        }
        process.stderr.write(`${what}: ${JSON.stringify({ length, count, stride, ...seen })}\n`);
        expect(seen.hits).toBeGreaterThan(length / stride / 2);
        expect(seen.refused).toBeGreaterThan(length / stride / 10);
      },
    );
  }
}

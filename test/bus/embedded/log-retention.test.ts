import { expect, test } from 'vitest';
import { NodeStorage } from '../../../src/bus/embedded/node-storage.ts';
import { openEmbedded, temporaryDirectory } from '../../support/embedded.ts';
import { LogModel } from '../../support/log-model.ts';
import { linesRecord } from '../../support/records.ts';
import { SeededChance } from '../../support/seeded-chance.ts';
import { openSimulated } from '../../support/simulated-log.ts';
import { SimulatedDisk, type Fault, type StorageFaults } from '../../support/simulated-storage.ts';

const options = { retentionBytesMax: 5000 };
const isSegment = (path: string): boolean => path.endsWith('.log');

/** Fails steps of dropping segments: `fault` is asked with how many segments' unlinking, or syncs after it, came before. */
function whileDropping(
  fault: (step: 'unlink' | 'sync', nth: number) => Fault | undefined,
): StorageFaults {
  const seen = { unlink: 0, sync: 0 };
  let isUnlinked = false;
  return {
    before: (kind, _counts, path) => {
      if (kind === 'unlink' && isSegment(path)) {
        isUnlinked = true;
        return fault('unlink', ++seen.unlink);
      }
      if (kind !== 'syncDirectory' || !isUnlinked) return undefined;
      isUnlinked = false;
      return fault('sync', ++seen.sync);
    },
  };
}

const noSpace: Fault = { kind: 'error', code: 'ENOSPC' };

test('leaves no hole after a power cut, although the sync of an earlier removal had failed', async () => {
  const minuteMs = 60_000;
  const aging = { retentionAgeMsMax: 10 * minuteMs };
  let reappeared = 0;
  for (let seed = 0; seed < 40; seed++) {
    const chance = new SeededChance(seed);
    const disk = new SimulatedDisk();
    const model = new LogModel([1, 2, 3]);
    const storage = disk.attach(
      whileDropping((step, nth) => {
        if (step !== 'sync') return undefined;
        return nth === 1 ? noSpace : { kind: 'crash', when: 'before' };
      }),
    );
    // For its age, because before one goes for the bytes a seal has synced the directory.
    const { bus, clock } = await openSimulated(storage, { options: aging });
    model.follow(bus);
    for (let i = 0; i < 100; i++) await model.append(bus, 1 + (i % 3), chance);
    await Promise.race([clock.advance(20 * minuteMs), storage.crashed]);
    const gone = (await bus.bounds(0)).oldest.position.offset;
    expect(gone).toBeGreaterThan(0);
    disk.cutPower(chance);
    const { bus: next } = await openSimulated(disk.attach(), { options: aging });
    // Tells a record that is gone between others that are there.
    expect((await model.check(next)).missing).toBe(0);
    if ((await next.bounds(0)).oldest.position.offset < gone) reappeared++;
    await next.close();
  }
  expect(reappeared).toBeGreaterThan(0);
});

test('a segment that cannot be removed is tried again before another one goes', async () => {
  const chance = new SeededChance(1);
  const disk = new SimulatedDisk();
  const model = new LogModel([1, 2, 3]);
  let failing = true;
  const { bus } = await openSimulated(
    disk.attach(whileDropping((step) => (failing && step === 'unlink' ? noSpace : undefined))),
    { options },
  );
  model.follow(bus);
  const append = async (): Promise<void> => {
    for (let i = 0; i < 60; i++) await model.append(bus, 1 + (i % 3), chance);
  };
  await append();
  const first = disk.files().filter(isSegment).sort()[0];
  expect(first).toBe('log/0/000000000000000.log');
  // Readers have lost the first alone.
  const { oldest } = await bus.bounds(0);
  expect(oldest.position.offset).toBeGreaterThan(0);
  await append();
  expect((await bus.bounds(0)).oldest).toEqual(oldest);
  failing = false;
  await bus.retain({ age: false });
  expect(disk.files()).not.toContain(first);
  expect((await bus.bounds(0)).oldest.position.offset).toBeGreaterThan(oldest.position.offset);
  expect(bus.bytes).toBeLessThan(8000);
  const indexes = disk.files().filter((path) => path.endsWith('.idx'));
  const segments = disk.files().filter(isSegment);
  expect(indexes.every((path) => segments.includes(path.replace('.idx', '.log')))).toBe(true);
  await bus.close();
});

for (const failing of ['unlink', 'sync'] as const) {
  test(`a disk that fails at the ${failing} of a removal ends the process`, async () => {
    const chance = new SeededChance(1);
    const disk = new SimulatedDisk();
    const model = new LogModel([1]);
    const fatal = Promise.withResolvers<unknown>();
    const { bus } = await openSimulated(
      disk.attach(
        whileDropping((step) => (step === failing ? { kind: 'error', code: 'EIO' } : undefined)),
      ),
      { options, onFatal: fatal.resolve },
    );
    model.follow(bus);
    for (let i = 0; i < 60; i++) await model.append(bus, 1, chance).catch(() => undefined);
    expect(await fatal.promise).toMatchObject({ code: 'EIO' });
  });
}

const mib = 1024 * 1024;

class SmallDisk extends NodeStorage {
  usedBytes = (): number => 0;

  override freeBytes(): Promise<number> {
    return Promise.resolve(16 * mib - this.usedBytes());
  }
}

test('a disk that is smaller than some segments does not fill up: segments are smaller there, so that retention can take them', async () => {
  await using directory = await temporaryDirectory();
  const storage = new SmallDisk(directory.path);
  const options = { retentionFitsDisk: true, freeBytesMin: mib };
  const bus = await openEmbedded(directory.path, options, { storage });
  storage.usedBytes = () => bus.bytes;
  const record = linesRecord(1, ['x'.repeat(200_000)]);
  let bytesMax = 0;
  for (let i = 0; i < 200; i++) {
    await bus.append([record]);
    await bus.retain({ age: false });
    bytesMax = Math.max(bytesMax, bus.bytes);
  }
  expect(bytesMax).toBeGreaterThan(7 * mib);
  expect(bytesMax).toBeLessThan(11 * mib);
  await bus.close();
});

import { expect, test } from 'vitest';
import { segmentHeaderBytes } from '../../../src/bus/embedded/segment-format.ts';
import { indexHeaderBytes } from '../../../src/bus/embedded/index-format.ts';
import { LogModel } from '../../support/log-model.ts';
import { SeededChance } from '../../support/seeded-chance.ts';
import { openSimulated } from '../../support/simulated-log.ts';
import { SimulatedDisk } from '../../support/simulated-storage.ts';

for (const isClosed of [true, false]) {
  test(`reads only heads of what is sealed at a start after ${isClosed ? 'an orderly end' : 'a kill'}`, async () => {
    const disk = new SimulatedDisk();
    const model = new LogModel([1, 2, 3]);
    const chance = new SeededChance(5);
    const { bus } = await openSimulated(disk.attach());
    model.follow(bus);
    for (let i = 0; i < 300; i++) await model.append(bus, 1 + (i % 3), chance);
    if (isClosed) await bus.close();
    else disk.kill();
    const segments = disk.files().filter((path) => path.endsWith('.log'));
    expect(segments.length).toBeGreaterThan(20);
    disk.bytesRead.clear();
    const { bus: again } = await openSimulated(disk.attach());
    const active = segments.sort().at(-1);
    for (const [path, bytes] of disk.bytesRead) {
      if (path.endsWith('.log') && path !== active) expect(bytes).toBe(segmentHeaderBytes);
      if (path.endsWith('.idx')) expect(bytes).toBe(indexHeaderBytes);
    }
    expect((await model.check(again)).missing).toBe(0);
    await again.close();
  });
}

test('does not trust what the page cache shows after an fsync that failed', async () => {
  const disk = new SimulatedDisk();
  const model = new LogModel([1]);
  const chance = new SeededChance(6);
  let failing = false;
  const fatal = Promise.withResolvers<unknown>();
  const storage = disk.attach({
    before: (kind, _counts, path) =>
      failing && kind === 'sync' && path.startsWith('log/')
        ? { kind: 'error', code: 'EIO' }
        : undefined,
  });
  const { bus } = await openSimulated(storage, { onFatal: fatal.resolve });
  model.follow(bus);
  await model.append(bus, 1, chance);
  failing = true;
  await expect(model.append(bus, 1, chance)).rejects.toMatchObject({ code: 'BUS_UNAVAILABLE' });
  expect(await fatal.promise).toMatchObject({ code: 'EIO' });
  disk.kill();
  // The record whose fsync failed can be read from the cache, so that it is served: then the disk must have it.
  const { bus: second } = await openSimulated(disk.attach());
  await model.check(second);
  disk.cutPower(chance);
  const { bus: third } = await openSimulated(disk.attach());
  expect((await model.check(third)).missing).toBe(0);
  await third.close();
});

test('does not trust it either where there is no space for a copy: what it serves is on the disk', async () => {
  for (let seed = 0; seed < 20; seed++) {
    const disk = new SimulatedDisk();
    const model = new LogModel([1]);
    const chance = new SeededChance(seed);
    let failing = false;
    const { bus } = await openSimulated(
      disk.attach({
        before: (kind, _counts, path) =>
          failing && kind === 'sync' && path.startsWith('log/')
            ? { kind: 'error', code: 'EIO' }
            : undefined,
      }),
    );
    model.follow(bus);
    await model.append(bus, 1, chance);
    failing = true;
    await expect(model.append(bus, 1, chance)).rejects.toMatchObject({ code: 'BUS_UNAVAILABLE' });
    disk.kill();
    const { bus: second } = await openSimulated(
      disk.attach({
        before: (kind, _counts, path) =>
          path.endsWith('.log.tmp') && kind === 'write'
            ? { kind: 'error', code: 'ENOSPC' }
            : undefined,
      }),
    );
    await model.check(second);
    disk.cutPower(chance);
    const { bus: third } = await openSimulated(disk.attach());
    expect((await model.check(third)).missing, `seed ${seed}`).toBe(0);
    await third.close();
  }
});

test('goes on in the same segment when there is no space for the next, and loses nothing', async () => {
  const disk = new SimulatedDisk();
  const model = new LogModel([1, 2]);
  const chance = new SeededChance(8);
  let failing = true;
  const storage = disk.attach({
    before: (kind, _counts, path) =>
      failing && kind !== 'unlink' && /\/0*[1-9]\d*\.log\.tmp$/.test(path)
        ? { kind: 'error', code: 'ENOSPC' }
        : undefined,
  });
  const { bus } = await openSimulated(storage);
  model.follow(bus);
  for (let i = 0; i < 30; i++) await model.append(bus, 1 + (i % 2), chance);
  const logs = () => disk.files().filter((path) => /\/\d+\.log/.test(path));
  expect(logs()).toHaveLength(1);
  expect(storage.openFiles).toBe(2);
  failing = false;
  for (let i = 0; i < 10; i++) await model.append(bus, 1 + (i % 2), chance);
  expect(logs().length).toBeGreaterThan(1);
  disk.cutPower(chance);
  const { bus: again } = await openSimulated(disk.attach());
  expect((await model.check(again)).missing).toBe(0);
  await again.close();
});

test('goes on reading when retention takes the files under it', async () => {
  const disk = new SimulatedDisk();
  const model = new LogModel([1, 2]);
  const chance = new SeededChance(9);
  const latency = async (): Promise<void> => {
    for (let turns = chance.below(4); turns > 0; turns--) await new Promise(setImmediate);
  };
  const { bus } = await openSimulated(disk.attach({ latency }), {
    options: { retentionBytesMax: 4000, indexCacheBytesMax: 300 },
  });
  model.follow(bus);
  for (let i = 0; i < 120; i++) {
    const from = { logId: bus.logId, partition: 0, offset: 0, line: 0 };
    const reads = [1, 2].map((app) => bus.read(from, 1 << 20, app as never));
    await model.append(bus, 1 + (i % 2), chance);
    const pages = await Promise.all([...reads, bus.read(from, 1 << 20)]);
    for (const page of pages) {
      const offsets = page.records.map((stored) => stored.position.offset);
      expect(offsets).toEqual([...offsets].sort((a, b) => a - b));
    }
  }
  // The model takes several looks, between which nothing may go.
  await bus.retain({ age: false });
  await model.check(bus);
  await bus.close();
});

test('a checkpoint does not speak of a segment whose successor the next power cut can take back', async () => {
  for (let seed = 0; seed < 20; seed++) {
    const disk = new SimulatedDisk();
    const model = new LogModel([1, 2, 3]);
    const chance = new SeededChance(seed);
    let hasSuccessor = false;
    const sealing = disk.attach({
      before: (kind, { nth }, path) => {
        if (kind === 'rename' && /\/0*[1-9]\d*\.log$/.test(path) && nth > 12) hasSuccessor = true;
        return hasSuccessor && kind === 'syncDirectory'
          ? { kind: 'crash', when: 'before' }
          : undefined;
      },
    });
    const { bus } = await openSimulated(sealing);
    model.follow(bus);
    const work = async (): Promise<void> => {
      for (let i = 0; i < 100; i++) await model.append(bus, 1 + (i % 3), chance);
    };
    await Promise.race([work(), sealing.crashed]);
    expect(hasSuccessor).toBe(true);
    disk.kill();
    // It takes the successor for the active segment, says so, and ends too.
    const second = disk.attach({
      before: (kind, _counts, path) =>
        kind === 'sync' && path.endsWith('.log.tmp')
          ? { kind: 'crash', when: 'before' }
          : undefined,
    });
    await Promise.race([openSimulated(second), second.crashed]);
    disk.cutPower(chance);
    const { bus: third } = await openSimulated(disk.attach());
    expect((await model.check(third)).missing).toBe(0);
    await third.close();
  }
});

import { expect, test } from 'vitest';
import { segmentsToDrop } from '../../../src/bus/embedded/retention.ts';
import { LogModel } from '../../support/log-model.ts';
import { SeededChance } from '../../support/seeded-chance.ts';
import { openSimulated } from '../../support/simulated-log.ts';
import { SimulatedDisk } from '../../support/simulated-storage.ts';

const minuteMs = 60_000;
const hourMs = 60 * minuteMs;
const yearMs = 365 * 24 * hourMs;
const options = { retentionAgeMsMax: hourMs };

/** A log that keeps an hour, with some twenty segments written just now. */
async function youngLog() {
  const disk = new SimulatedDisk();
  const model = new LogModel([1, 2, 3]);
  const chance = new SeededChance(11);
  const { bus, clock } = await openSimulated(disk.attach(), { options });
  model.follow(bus);
  const fill = async (records: number): Promise<void> => {
    for (let i = 0; i < records; i++) await model.append(bus, 1 + (i % 3), chance);
  };
  await fill(200);
  const segments = (): number => disk.files().filter((path) => path.endsWith('.log')).length;
  expect(segments()).toBeGreaterThan(15);
  return { bus, clock, model, fill, segments };
}

for (const years of [1, 50]) {
  test(`a clock that jumps ahead by ${years} years takes one segment a minute for its age, and none at a seal`, async () => {
    const { bus, clock, model, fill, segments } = await youngLog();
    await clock.advance(5 * minuteMs);
    const before = segments();
    clock.jump(years * yearMs);
    await fill(30);
    const sealed = segments();
    expect(sealed).toBeGreaterThan(before);
    for (let minute = 1; minute <= 5; minute++) {
      await clock.advance(minuteMs);
      expect(segments()).toBe(sealed - minute);
    }
    // The operator has put it right: what is left is an hour's worth again.
    clock.jump(-years * yearMs);
    await clock.advance(5 * minuteMs);
    expect(segments()).toBe(sealed - 5);
    expect((await model.check(bus)).missing).toBe(0);
    await bus.close();
  });
}

test('a clock that jumps backwards takes nothing, however often it is asked', async () => {
  const { bus, clock, fill, segments } = await youngLog();
  for (const ms of [hourMs, 10 * yearMs, minuteMs]) {
    const before = segments();
    clock.jump(-ms);
    await fill(20);
    await clock.advance(10 * minuteMs);
    expect(segments()).toBeGreaterThan(before);
  }
  await bus.close();
});

test('what has its age goes, one segment a minute until the rest is young', async () => {
  const { bus, clock, segments } = await youngLog();
  const before = segments();
  await clock.advance(hourMs - minuteMs);
  expect(segments()).toBe(before);
  await clock.advance(10 * minuteMs);
  expect(segments()).toBeLessThan(before);
  expect(segments()).toBeGreaterThanOrEqual(before - 10);
  await clock.advance(hourMs);
  // The active one stays.
  expect(segments()).toBe(1);
  await bus.close();
});

test('a segment from the future goes with those behind it, and keeps none of them', () => {
  const now = 10 * yearMs;
  const age = { ageMsMax: hourMs, bytesMax: Infinity };
  const at = (maxTimeMs: number) => ({ bytes: 1, maxTimeMs });
  const future = at(now + yearMs);
  expect(segmentsToDrop([future, at(now - 2 * hourMs)], 1, now, age)).toBe(1);
  expect(segmentsToDrop([future, future, at(now - 2 * hourMs)], 1, now, age)).toBe(1);
  expect(segmentsToDrop([future, at(now - minuteMs)], 1, now, age)).toBe(0);
  expect(segmentsToDrop([future], 1, now, age)).toBe(0);
  expect(segmentsToDrop([], 1, now, age)).toBe(0);
});

import { expect, test } from 'vitest';
import { loopRest } from '../../src/core/loop-rest.ts';
import { FakeClock } from '../support/fake-clock.ts';

/** When the next turn comes, in ms, on a loop that is idle for `idlePart` of the time. */
async function restOf(idlePart: (ms: number) => number, restMsMax = 20): Promise<number> {
  const clock = new FakeClock();
  const idleMs = (): number => idlePart(clock.monotonicMs());
  let nextAtMs: number | undefined;
  loopRest({ restMsMax }, { clock, idleMs })(() => (nextAtMs ??= clock.monotonicMs()));
  for (let ms = 0; ms < 100 && nextAtMs === undefined; ms++) await clock.advance(1);
  return nextAtMs ?? Infinity;
}

test('a loop that has nothing else to do rests for the shortest time', async () => {
  expect(await restOf((ms) => ms)).toBe(1);
});

test('the loop is idle for four times as long as a turn kept it busy', async () => {
  const busyMs = 4;
  expect(await restOf((ms) => Math.max(0, ms - busyMs), 50)).toBe(5 * busyMs);
});

test('on a loop that has no rest the next turn comes all the same', async () => {
  expect(await restOf(() => 0)).toBe(20);
  expect(await restOf((ms) => ms / 2)).toBe(20);
});

test('what was idle before does not count', async () => {
  expect(await restOf((ms) => 1000 + Math.max(0, ms - 2))).toBe(10);
});

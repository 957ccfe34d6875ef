import { expect, test } from 'vitest';
import { BodyPool } from '../../../src/drains/formats/body-pool.ts';

const kib = 1024;
const memoryOf = (body: Buffer): ArrayBuffer => body.buffer as ArrayBuffer;

test('what was given back is taken again, by whoever has use for its size', () => {
  const pool = new BodyPool({ bodyPoolBytesMax: 1 << 20 });
  const [small, large] = [pool.take(10_000), pool.take(100_000)];
  expect([small.length, large.length]).toEqual([32 * kib, 128 * kib]);
  pool.give(memoryOf(small));
  pool.give(memoryOf(large));
  expect(pool.take(32 * kib + 1).buffer).toBe(large.buffer);
  expect(pool.take(1).buffer).toBe(small.buffer);
});

test('nobody gets what somebody else has', () => {
  const pool = new BodyPool({ bodyPoolBytesMax: 1 << 20 });
  pool.give(memoryOf(pool.take(100_000)));
  const taken = Array.from({ length: 20 }, () => memoryOf(pool.take(100_000)));
  expect(new Set(taken).size).toBe(20);
});

test('keeps no more than it may, and nothing of other sizes', () => {
  const pool = new BodyPool({ bodyPoolBytesMax: 200 * kib });
  const bodies = [pool.take(100_000), pool.take(100_000), pool.take(20_000)];
  for (const body of bodies) pool.give(memoryOf(body));
  const [first, second, third] = bodies;
  expect(pool.take(100_000).buffer).toBe(first?.buffer);
  expect(pool.take(100_000).buffer).not.toBe(second?.buffer);
  expect(pool.take(20_000).buffer).toBe(third?.buffer);
  const huge = pool.take(1_000_000);
  expect(huge.length).toBeGreaterThanOrEqual(1_000_000);
  pool.give(memoryOf(huge));
  expect(pool.take(1_000_000).buffer).not.toBe(huge.buffer);
});

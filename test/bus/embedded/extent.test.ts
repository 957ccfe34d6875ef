import fc from 'fast-check';
import { expect, test } from 'vitest';
import { rangeOf } from '../../../src/bus/embedded/extent.ts';

const limits = { blockBytes: 16, readBytesMax: 64 };
const at = (...pairs: [number, number][]) => pairs.map(([fileAt, bytes]) => ({ fileAt, bytes }));

test('reads the blocks in which the extent lies', () => {
  expect(rangeOf(at([20, 5]), 0, limits)).toEqual({ start: 16, end: 32 });
  expect(rangeOf(at([20, 16]), 0, limits)).toEqual({ start: 16, end: 48 });
});

test('and those of the next ones, as long as no block lies between them', () => {
  expect(rangeOf(at([0, 4], [30, 4]), 0, limits)).toEqual({ start: 0, end: 48 });
  expect(rangeOf(at([0, 4], [32, 4]), 0, limits)).toEqual({ start: 0, end: 16 });
  expect(rangeOf(at([0, 4], [30, 4], [50, 4]), 1, limits)).toEqual({ start: 16, end: 64 });
});

test('an extent that is longer than a block is read alone', () => {
  expect(rangeOf(at([20, 100], [120, 4]), 0, limits)).toEqual({ start: 20, end: 120 });
  expect(rangeOf(at([0, 4], [4, 100]), 0, limits)).toEqual({ start: 0, end: 16 });
});

test('reads of a reader bring all that it wants, in its order, and none is too long', () => {
  const sizes = fc.array(fc.tuple(fc.nat(40), fc.integer({ min: 1, max: 80 })), { minLength: 1 });
  fc.assert(
    fc.property(sizes, (pairs) => {
      let end = 0;
      const extents = pairs.map(([gap, bytes]) => {
        const fileAt = end + gap;
        end = fileAt + bytes;
        return { fileAt, bytes };
      });
      for (let next = 0; next < extents.length;) {
        const range = rangeOf(extents, next, limits);
        const before = next;
        const isIn = (extent?: { fileAt: number; bytes: number }): boolean =>
          extent !== undefined &&
          extent.fileAt >= range.start &&
          extent.fileAt + extent.bytes <= range.end;
        while (isIn(extents[next])) next++;
        expect(next).toBeGreaterThan(before);
        const isAlone = range.end - range.start === extents[before]?.bytes;
        if (!isAlone) expect(range.end - range.start).toBeLessThanOrEqual(limits.readBytesMax);
      }
    }),
  );
});

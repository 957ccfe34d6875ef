import fc from 'fast-check';
import { expect, test } from 'vitest';
import { planSweep, type Extent, type Wanted } from '../../../src/bus/embedded/sweep.ts';

const limits = { gapBytesMax: 10, readBytesMax: 100 };

function wanted(...extents: [fileAt: number, bytes: number][]): Wanted {
  return { extents: extents.map(([fileAt, bytes]) => ({ fileAt, bytes })), from: 0 };
}

test('a read goes on over small gaps and ends at a large one', () => {
  const one = wanted([0, 10], [20, 10], [50, 10]);
  expect(planSweep(one, [one], limits)).toEqual({
    fileAt: 0,
    bytes: 30,
    shares: [{ wanted: one, from: 0, to: 2, bytes: 20 }],
  });
});

test('what others want in the same place comes along, and fills the gaps', () => {
  const one = wanted([0, 10], [50, 10]);
  const other = wanted([12, 10], [30, 15], [90, 5]);
  const sweep = planSweep(one, [one, other], limits);
  expect(sweep).toMatchObject({ fileAt: 0, bytes: 60 });
  expect(sweep.shares.map(({ from, to, bytes }) => [from, to, bytes])).toEqual([
    [0, 2, 20],
    [0, 2, 25],
  ]);
});

test('who has still to read what lies before gets nothing out of order', () => {
  const one = wanted([100, 10]);
  const behind = wanted([90, 5], [100, 10]);
  expect(planSweep(one, [one, behind], limits).shares).toHaveLength(1);
});

test('a record that is longer than a read may be is read alone', () => {
  const one = wanted([0, 500], [500, 10]);
  expect(planSweep(one, [one], limits)).toMatchObject({
    bytes: 500,
    shares: [{ from: 0, to: 1 }],
  });
});

test('sweeps bring every reader all that it wants, once and in order, in reads of bounded length', () => {
  const record = fc.integer({ min: 1, max: 80 });
  const file = fc.array(fc.tuple(record, fc.subarray([0, 1, 2, 3])), { maxLength: 60 });
  fc.assert(
    fc.property(file, (records) => {
      const readers = [0, 1, 2, 3].map(() => ({ extents: [] as Extent[], from: 0 }));
      let fileAt = 0;
      for (const [bytes, owners] of records) {
        for (const owner of owners) readers[owner]?.extents.push({ fileAt, bytes });
        fileAt += bytes;
      }
      for (;;) {
        const waiting = readers.filter(({ extents, from }) => from < extents.length);
        const [first] = waiting;
        if (!first) return;
        const sweep = planSweep(first, waiting, limits);
        expect(sweep.bytes).toBeLessThanOrEqual(limits.readBytesMax);
        expect(sweep.shares[0]?.wanted).toBe(first);
        for (const { wanted: reader, from, to, bytes } of sweep.shares) {
          expect(from).toBe(reader.from);
          const taken = reader.extents.slice(from, to);
          expect(taken.length).toBeGreaterThan(0);
          expect(bytes).toBe(taken.reduce((sum, extent) => sum + extent.bytes, 0));
          for (const extent of taken) {
            expect(extent.fileAt).toBeGreaterThanOrEqual(sweep.fileAt);
            expect(extent.fileAt + extent.bytes).toBeLessThanOrEqual(sweep.fileAt + sweep.bytes);
          }
          reader.from = to;
        }
      }
    }),
  );
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { BlockCache } from '../../../src/bus/embedded/block-cache.ts';
import { Segment } from '../../../src/bus/embedded/segment.ts';
import type { StorageFile } from '../../../src/bus/embedded/storage.ts';

const blockBytes = 16;
const fileBytes = 20 * blockBytes;

/** A segment, and what its file has: bytes that no other segment has at the same place. */
function segmentOf(base: number): { segment: Segment; file: Buffer } {
  const place = { base, path: `log/0/${base}.log`, salt: 1 };
  const file = Buffer.from(Array.from({ length: fileBytes }, (_, i) => (i * 7 + base * 13) & 0xff));
  return { segment: new Segment(place, undefined as unknown as StorageFile, fileBytes), file };
}

function copyOf(cache: BlockCache, segment: Segment, fileAt: number, bytes: number): Buffer {
  const into = Buffer.alloc(bytes + 2, 0xee);
  expect(cache.copy(segment, { fileAt, bytes }, into, 1)).toBe(bytes);
  expect([into[0], into.at(-1)]).toEqual([0xee, 0xee]);
  return into.subarray(1, -1);
}

test('gives back what was put into it, across blocks, and only of that segment', () => {
  const [one, other] = [segmentOf(0), segmentOf(5)];
  const cache = new BlockCache({ blockBytes, bytesMax: 8 * blockBytes });
  cache.put(one.segment, 32, one.file.subarray(32, 64));
  const extent = { fileAt: 40, bytes: 20 };
  expect(cache.has(one.segment, extent)).toBe(true);
  expect(copyOf(cache, one.segment, 40, 20).equals(one.file.subarray(40, 60))).toBe(true);
  expect(cache.has(other.segment, extent)).toBe(false);
  expect(cache.has(one.segment, { fileAt: 31, bytes: 2 })).toBe(false);
  expect(cache.has(one.segment, { fileAt: 63, bytes: 2 })).toBe(false);
});

test('of a block that was not whole it has what was there, and more once that is put', () => {
  const { segment, file } = segmentOf(0);
  const cache = new BlockCache({ blockBytes, bytesMax: 8 * blockBytes });
  cache.put(segment, 0, file.subarray(0, 20));
  expect(cache.has(segment, { fileAt: 10, bytes: 10 })).toBe(true);
  expect(cache.has(segment, { fileAt: 10, bytes: 11 })).toBe(false);
  cache.put(segment, 16, file.subarray(16, 32));
  expect(copyOf(cache, segment, 10, 22).equals(file.subarray(10, 32))).toBe(true);
});

test('whatever is put, what it says it has is right', () => {
  const segments = [0, 3].map(segmentOf);
  const place = fc.record({
    which: fc.nat(segments.length - 1),
    from: fc.nat(9),
    length: fc.integer({ min: 1, max: 6 * blockBytes }),
    isPut: fc.boolean(),
  });
  let found = 0;
  fc.assert(
    fc.property(fc.array(place, { minLength: 40, maxLength: 80 }), (steps) => {
      const cache = new BlockCache({ blockBytes, bytesMax: 7 * blockBytes });
      for (const { which, from, length, isPut } of steps) {
        const { segment, file } = segments[which] ?? segmentOf(0);
        const fileAt = from * blockBytes + (isPut ? 0 : length % blockBytes);
        const bytes = Math.min(length, fileBytes - fileAt);
        if (isPut) cache.put(segment, fileAt, file.subarray(fileAt, fileAt + bytes));
        else if (cache.has(segment, { fileAt, bytes })) {
          found++;
          expect(
            copyOf(cache, segment, fileAt, bytes).equals(file.subarray(fileAt, fileAt + bytes)),
          ).toBe(true);
        }
      }
    }),
    { numRuns: 300 },
  );
  expect(found).toBeGreaterThan(100);
});

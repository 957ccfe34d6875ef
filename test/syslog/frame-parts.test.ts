import fc from 'fast-check';
import { expect, test } from 'vitest';
import { splitFrames } from '../../src/syslog/frame-parts.ts';
import { frame } from '../support/records.ts';

test('leaves what fits alone, and makes nothing of nothing', () => {
  const frames = Buffer.from(frame('a') + frame('b'));
  expect(splitFrames(frames, 2, frames.length)).toEqual([{ frames, lines: 2 }]);
  expect(splitFrames(Buffer.alloc(0), 0, 100)).toEqual([]);
});

test('cuts between frames only, as few times as it can, and keeps every byte and line', () => {
  const texts = fc.array(fc.string({ maxLength: 80 }), { minLength: 1, maxLength: 50 });
  fc.assert(
    fc.property(texts, fc.integer({ min: 200, max: 1000 }), (lines, bytesMax) => {
      const sent = lines.map((text) => frame(text));
      const parts = splitFrames(Buffer.from(sent.join('')), lines.length, bytesMax);
      let at = 0;
      for (const [i, part] of parts.entries()) {
        expect(part.frames.toString()).toBe(sent.slice(at, at + part.lines).join(''));
        at += part.lines;
        if (part.lines > 1) expect(part.frames.length).toBeLessThanOrEqual(bytesMax);
        const next = sent[at];
        if (i < parts.length - 1 && next !== undefined) {
          expect(part.frames.length + Buffer.byteLength(next)).toBeGreaterThan(bytesMax);
        }
      }
      expect(at).toBe(lines.length);
    }),
  );
});

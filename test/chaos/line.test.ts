import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Lines } from './line.ts';

const lines = new Lines('0a1b2c3d');
const ids = fc.record({
  app: fc.nat(9999),
  source: fc.nat(999),
  sequence: fc.nat(999_999_999),
});

test('a text says which line it is', () => {
  fc.assert(
    fc.property(ids, (id) => {
      const text = lines.text(id);
      const read = { app: 0, source: 0, sequence: 0 };
      expect(lines.read(text, 0, text.length, read)).toBeUndefined();
      expect(read).toEqual(id);
    }),
  );
});

test('no byte of a text can change unseen', () => {
  fc.assert(
    fc.property(ids, fc.nat(), fc.integer({ min: 1, max: 255 }), (id, at, mask) => {
      const text = lines.text(id);
      const place = at % text.length;
      text[place] = (text[place] as number) ^ mask;
      expect(
        lines.read(text, 0, text.length, { app: 0, source: 0, sequence: 0 }),
      ).not.toBeUndefined();
    }),
  );
});

test('a text that was cut, and one of another run, are told apart', () => {
  const text = lines.text({ app: 1, source: 2, sequence: 3 });
  const into = { app: 0, source: 0, sequence: 0 };
  expect(lines.read(text, 0, text.length - 5, into)).toBe('length');
  expect(new Lines('ffffffff').read(text, 0, text.length, into)).toBe('foreign');
});

test('texts have NUL, bytes that are no UTF-8, and no LF but the last', () => {
  const texts = Array.from({ length: 2000 }, (_, sequence) =>
    lines.text({ app: 0, source: 0, sequence }),
  );
  const share = (is: (text: Buffer) => boolean): number => texts.filter(is).length / texts.length;
  expect(share((text) => text.includes(0))).toBeGreaterThan(0.5);
  expect(share((text) => !Buffer.from(text.toString()).equals(text))).toBeGreaterThan(0.01);
  expect(share((text) => text.length > 2000)).toBeGreaterThan(0);
  expect(share((text) => text.indexOf(0x0a) === text.length - 1)).toBe(1);
});

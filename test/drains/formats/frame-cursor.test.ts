import { expect, test } from 'vitest';
import type { EncodableLines } from '../../../src/drains/formats/encoder.ts';
import { FrameCursor } from '../../../src/drains/formats/frame-cursor.ts';

const stored = (offset: number, text: string): EncodableLines => ({
  position: { logId: '00000000', partition: 0, offset, line: 0 },
  record: { frames: Buffer.from(text), receivedAtMs: 0 },
});
const record = stored(7, '3 abc12 abcdefghijkl1 x');

test('finds the frame of any line', () => {
  const cursor = new FrameCursor();
  expect([0, 1, 2].map((line) => cursor.seek(record, line))).toEqual([0, 5, 20]);
});

test('goes on from where it was, and also back', () => {
  const cursor = new FrameCursor();
  cursor.remember(record, 1, 5);
  expect(cursor.seek(record, 2)).toBe(20);
  expect(cursor.seek(record, 0)).toBe(0);
  cursor.remember(record, 2, 20);
  expect(cursor.seek(record, 1)).toBe(5);
});

test('does not mistake one record for another', () => {
  const cursor = new FrameCursor();
  cursor.remember(stored(6, '1 x1 y'), 1, 3);
  expect(cursor.seek(record, 1)).toBe(5);
  cursor.remember(record, 2, 99);
  cursor.forget();
  expect(cursor.seek(record, 2)).toBe(20);
});

import { expect, test } from 'vitest';
import { FrameCursor } from '../../../src/drains/formats/frame-cursor.ts';

const frames = Buffer.from('3 abc12 abcdefghijkl1 x');

test('finds the frame of any line', () => {
  const cursor = new FrameCursor();
  expect([0, 1, 2].map((line) => cursor.seek(frames, line))).toEqual([0, 5, 20]);
});

test('goes on from where it was, and also back', () => {
  const cursor = new FrameCursor();
  cursor.remember(frames, 1, 5);
  expect(cursor.seek(frames, 2)).toBe(20);
  expect(cursor.seek(frames, 0)).toBe(0);
  cursor.remember(frames, 2, 20);
  expect(cursor.seek(frames, 1)).toBe(5);
});

test('does not mistake one record for another', () => {
  const cursor = new FrameCursor();
  cursor.remember(Buffer.from('1 x1 y'), 1, 3);
  expect(cursor.seek(frames, 1)).toBe(5);
});

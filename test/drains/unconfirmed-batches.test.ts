import { expect, test } from 'vitest';
import { UnconfirmedBatches } from '../../src/drains/unconfirmed-batches.ts';

const place = (seq: number) => ({
  position: { logId: 'feedfacefeedface', partition: 0, offset: seq, line: 0 },
  seq,
});
const cut = (from: number, to: number, messages = to - from) => ({
  from: place(from),
  to: place(to),
  lines: to - from,
  messages,
  overflow: undefined,
  lastLineMs: to,
});

test('gives out what the receiver has, oldest first, and no batch before all of it is confirmed', () => {
  const batches = new UnconfirmedBatches();
  for (const from of [0, 10, 20]) batches.add(cut(from, from + 10));
  expect(batches.confirm(place(9).position)).toEqual([]);
  expect(batches.confirm(place(20).position).map(({ to }) => to.seq)).toEqual([10, 20]);
  expect(batches.isEmpty).toBe(false);
  expect(batches.confirm(place(30).position)).toHaveLength(1);
  expect(batches.isEmpty).toBe(true);
});

test('filtered lines come to their end with the batch before them', () => {
  const batches = new UnconfirmedBatches();
  batches.add(cut(0, 10));
  batches.add(cut(10, 15, 0));
  expect(batches.end).toEqual(place(15));
  expect(batches.confirm(place(10).position)).toMatchObject([
    { to: place(15), lines: 15, messages: 10, lastLineMs: 15 },
  ]);
});

test('a break is remembered until what it has taken is forgotten', () => {
  const batches = new UnconfirmedBatches();
  batches.add(cut(0, 10));
  batches.broke('closed');
  expect(batches).toMatchObject({ brokenBy: { reason: 'closed' }, isEmpty: false });
  batches.clear();
  expect(batches).toMatchObject({ brokenBy: undefined, isEmpty: true });
});

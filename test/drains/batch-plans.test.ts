import { expect, test } from 'vitest';
import { BatchPlans, type BatchPlan } from '../../src/drains/batch-plans.ts';
import { newBooks, type Books } from '../../src/drains/drain-books.ts';
import { NumberingEncoder } from './simulation/numbering-encoder.ts';

const place = (seq: number) => ({
  position: { logId: 'feedfacefeedface', partition: 0, offset: seq, line: 0 },
  seq,
});
const overflow = { count: 3, sinceMs: 0, exact: true, atMs: 0 };
const books: Books = { ...newBooks(place(5), 0), owed: overflow };
const shape = { encoder: new NumberingEncoder() };
const shapes = { of: () => shape };
const batch = (lines: number, more: Partial<BatchPlan> = {}): BatchPlan => ({
  lines,
  overflow: undefined,
  ...more,
});

const cutAlready = {
  ...batch(9),
  from: place(5),
  to: place(14),
  messages: 9,
  overflow: undefined,
  lastLineMs: 0,
  body: Buffer.alloc(0),
  shape,
};

function planned(plans: BatchPlans): BatchPlan[] {
  const all: BatchPlan[] = [];
  for (let plan = plans.take(); plan; plan = plans.take()) all.push(plan);
  return all;
}

test('resumes the range that is in the checkpoint, unless the cursor has left it', () => {
  const plans = new BatchPlans({ splitRequestsMax: 20 });
  const range = { from: place(5), to: place(8), lines: 3, overflow };
  plans.resume({ ...books, inflight: [range] }, shapes);
  expect(planned(plans)).toEqual([batch(3, { overflow, shape })]);
  plans.resume({ ...books, inflight: [{ ...range, from: place(4) }] }, shapes);
  expect(planned(plans)).toEqual([]);
});

test('cuts a batch into two halves without the L10, before what was planned already', () => {
  const plans = new BatchPlans({ splitRequestsMax: 20 });
  plans.again(cutAlready);
  expect(plans.split(batch(5, { overflow }), { isTooLarge: true })).toBe(true);
  expect(planned(plans)).toEqual([batch(3), batch(2), batch(9, { shape })]);
});

test('a line that is unwanted with the L10 goes once more without; alone it is refused', () => {
  const plans = new BatchPlans({ splitRequestsMax: 20 });
  expect(plans.split(batch(1, { overflow }), { isTooLarge: false })).toBe(true);
  expect(plans.overflowOf(books)).toBeUndefined();
  expect(planned(plans)).toEqual([batch(1)]);
  expect(plans.split(batch(1), { isTooLarge: false })).toBe(false);
});

test('after an L10 was unwanted, the next is tried when something was taken without', () => {
  const plans = new BatchPlans({ splitRequestsMax: 20 });
  expect(plans.overflowOf(books)).toBe(overflow);
  plans.refused(batch(2, { overflow }));
  expect(plans.overflowOf(books)).toBeUndefined();
  plans.delivered();
  expect(plans.overflowOf(books)).toBe(overflow);
});

test('gives up the search for what offends after so many requests, but never halving what is too large', () => {
  const plans = new BatchPlans({ splitRequestsMax: 3 });
  expect(plans.split(batch(64), { isTooLarge: false })).toBe(true);
  plans.delivered();
  expect(plans.split(batch(32), { isTooLarge: true })).toBe(true);
  expect(plans.split(batch(16), { isTooLarge: false })).toBe(false);
  expect(plans.split(batch(8), { isTooLarge: false })).toBe(true);
});

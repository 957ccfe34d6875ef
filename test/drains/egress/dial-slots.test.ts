import { expect, test } from 'vitest';
import { DialSlots } from '../../../src/drains/egress/dial-slots.ts';
import { settle } from '../../support/fake-clock.ts';

const never = new AbortController().signal;

test('no more than the bound at once, and the next in order when a slot comes back', async () => {
  const slots = new DialSlots({ dialsMax: 2, dialsPerHostMax: 2 });
  const order: string[] = [];
  const giveBack = await slots.take('a', never);
  await slots.take('b', never);
  const waiting = ['c', 'd'].map((host) => slots.take(host, never).then(() => order.push(host)));
  await settle();
  expect(order).toEqual([]);
  giveBack();
  await settle();
  expect(order).toEqual(['c']);
  expect(waiting).toHaveLength(2);
});

test('a host at its bound does not keep others waiting', async () => {
  const slots = new DialSlots({ dialsMax: 10, dialsPerHostMax: 1 });
  const giveBack = await slots.take('slow', never);
  let isNext = false;
  void slots.take('slow', never).then(() => (isNext = true));
  await slots.take('other', never);
  expect(isNext).toBe(false);
  giveBack();
  await settle();
  expect(isNext).toBe(true);
});

test('a slot that is given back twice is given back once', async () => {
  const slots = new DialSlots({ dialsMax: 1, dialsPerHostMax: 1 });
  const giveBack = await slots.take('a', never);
  giveBack();
  giveBack();
  await slots.take('a', never);
  let isSecond = false;
  void slots.take('a', never).then(() => (isSecond = true));
  await settle();
  expect(isSecond).toBe(false);
});

test('waiting can be given up, and leaves nothing behind', async () => {
  const slots = new DialSlots({ dialsMax: 1, dialsPerHostMax: 1 });
  const giveBack = await slots.take('a', never);
  const abort = new AbortController();
  const waiting = slots.take('b', abort.signal);
  abort.abort(new Error('enough'));
  await expect(waiting).rejects.toThrow('enough');
  await expect(slots.take('c', abort.signal)).rejects.toThrow('enough');
  giveBack();
  await slots.take('d', never);
});

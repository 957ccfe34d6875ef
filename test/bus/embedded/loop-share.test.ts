import { expect, test } from 'vitest';
import { LoopShare } from '../../../src/bus/embedded/loop-share.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

test('each turn of the event loop has its share, in the order of asking', async () => {
  const share = new LoopShare({ bytesMax: 100 }, { released: () => undefined });
  const out: number[] = [];
  for (let i = 0; i < 10; i++) void share.take(50).then(() => out.push(i));
  expect(share.waitingBytes).toBe(400);
  for (let before = 0; out.length < 10; before = out.length) {
    await turn();
    expect(out.length - before).toBeGreaterThan(0);
    // The first turn is the end of the one in which they asked, and the next.
    expect(out.length - before).toBeLessThanOrEqual(before === 0 ? 4 : 2);
  }
  expect(out).toEqual([0, 1, 2, 3, 4, 5, 6, 7, 8, 9]);
  expect(share.waitingBytes).toBe(0);
});

test('what is larger than a turn has one of its own', async () => {
  const share = new LoopShare({ bytesMax: 100 }, { released: () => undefined });
  const out: number[] = [];
  for (let i = 0; i < 3; i++) void share.take(1000).then(() => out.push(i));
  for (const most of [2, 3]) {
    await turn();
    expect(out.length).toBeLessThanOrEqual(most);
  }
  expect(out).toEqual([0, 1, 2]);
});

test('who comes when nobody waits is not kept', async () => {
  const share = new LoopShare({ bytesMax: 100 }, { released: () => undefined });
  let isOut = false;
  await share.take(10).then(() => (isOut = true));
  expect(isOut).toBe(true);
});

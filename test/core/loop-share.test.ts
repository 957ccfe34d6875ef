import { expect, test } from 'vitest';
import { LoopShare } from '../../src/core/loop-share.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

function shareOf({ turnBytesMax = 100 } = {}): LoopShare {
  return new LoopShare({ turnBytesMax });
}

test('each turn of the event loop has its share, in the order of asking', async () => {
  const share = shareOf();
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
  const share = shareOf();
  const out: number[] = [];
  for (let i = 0; i < 3; i++) void share.take(1000).then(() => out.push(i));
  for (const most of [2, 3]) {
    await turn();
    expect(out.length).toBeLessThanOrEqual(most);
  }
  expect(out).toEqual([0, 1, 2]);
});

test('who asks for more waits longer: it is fair by bytes', async () => {
  const kib = 1024;
  const share = shareOf({ turnBytesMax: 1 });
  const got = { small: 0, large: 0 };
  const stop = new AbortController();
  const ask = async (who: keyof typeof got, bytes: number): Promise<void> => {
    while (!stop.signal.aborted) {
      await share.take(bytes, stop.signal);
      got[who] += bytes;
    }
  };
  const asking = [ask('large', 128 * kib), ask('small', 16 * kib), ask('small', 16 * kib)];
  while (got.large < 4096 * kib) await turn();
  stop.abort();
  await Promise.all(asking);
  // Of two small ones each has as much as the large one.
  expect(got.small / got.large / 2).toBeCloseTo(1, 0.5);
});

test('who comes when nobody waits is not kept', async () => {
  const share = shareOf();
  let isOut = false;
  await share.take(10).then(() => (isOut = true));
  expect(isOut).toBe(true);
});

test('whoever is told to stop does not wait any longer, and no room is kept for him', async () => {
  const share = shareOf();
  await share.take(100);
  const stop = new AbortController();
  const stopped = share.take(100, stop.signal);
  stop.abort();
  await stopped;
  expect(share.waitingBytes).toBe(0);
  await share.take(100, stop.signal);
});

test('many that wait leave the loop a rest between their turns, and a few do not need to', async () => {
  for (const { waiting, rests } of [
    { waiting: 4, rests: 0 },
    { waiting: 20, rests: 2 },
  ]) {
    let rested = 0;
    const rest = (next: () => void): void => {
      rested++;
      setImmediate(next);
    };
    const share = new LoopShare({ turnBytesMax: 100 }, { rest });
    await Promise.all(Array.from({ length: waiting }, () => share.take(20)));
    expect(rested).toBe(rests);
  }
});

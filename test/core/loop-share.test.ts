import { expect, test } from 'vitest';
import { LoopShare } from '../../src/core/loop-share.ts';

const turn = (): Promise<void> => new Promise((resolve) => setImmediate(resolve));

/** Its time and the ends of its rests are set by hand. */
class SteppedClock {
  ms = 0;
  readonly rests: number[] = [];
  endRest = (): void => {};

  monotonicMs(): number {
    return this.ms;
  }

  after(ms: number, task: () => void): () => void {
    this.rests.push(ms);
    this.endRest = task;
    return () => {};
  }
}

function shareOf({ restTurns = 0, clock = new SteppedClock() }): LoopShare {
  return new LoopShare({ turnBytesMax: 100, restTurns }, { clock });
}

test('each turn of the event loop has its share, in the order of asking', async () => {
  const share = shareOf({});
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
  const share = shareOf({});
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
  const share = new LoopShare({ turnBytesMax: 1, restTurns: 0 }, { clock: new SteppedClock() });
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
  const share = shareOf({});
  let isOut = false;
  await share.take(10).then(() => (isOut = true));
  expect(isOut).toBe(true);
});

test('after a turn comes a rest in proportion, in which nobody has a turn', async () => {
  const clock = new SteppedClock();
  const share = shareOf({ restTurns: 2, clock });
  await share.take(100);
  let isOut = false;
  const next = share.take(1).then(() => (isOut = true));
  clock.ms = 3;
  await turn();
  expect(clock.rests).toEqual([6]);
  expect(isOut).toBe(false);
  clock.endRest();
  await next;
});

test('rests that no timer can keep add up', async () => {
  const clock = new SteppedClock();
  const share = shareOf({ restTurns: 1, clock });
  for (const rests of [[], [1], [1]]) {
    await share.take(100);
    clock.ms += 0.5;
    await turn();
    expect(clock.rests).toEqual(rests);
    clock.endRest();
  }
});

test('whoever is told to stop does not wait any longer, and no room is kept for him', async () => {
  const clock = new SteppedClock();
  const share = shareOf({ restTurns: 1, clock });
  await share.take(100);
  const stop = new AbortController();
  const stopped = share.take(100, stop.signal);
  stop.abort();
  await stopped;
  expect(share.waitingBytes).toBe(0);
  await share.take(100, stop.signal);
});

test('a minute in which the process was stopped is not followed by a minute of rest', async () => {
  const clock = new SteppedClock();
  const share = shareOf({ restTurns: 1, clock });
  await share.take(100);
  clock.ms = 60_000;
  await turn();
  expect(clock.rests).toEqual([100]);
});

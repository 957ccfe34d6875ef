import fc from 'fast-check';
import { expect, test } from 'vitest';
import { appId } from '../../src/core/ids.ts';
import { RateLimiter } from '../../src/ingest/rate-limiter.ts';
import { TokenBucket } from '../../src/ingest/token-bucket.ts';
import { FakeClock } from '../support/fake-clock.ts';

const limits = {
  appBytesPerSecond: 100,
  appMessagesPerSecond: 10,
  appBurstBytesMax: 1000,
  appBurstMessagesMax: 50,
};

test('takes both or nothing', () => {
  const bucket = new TokenBucket(limits, 0);
  expect(bucket.take(1000, 1, 0)).toBe(true);
  expect(bucket.take(1, 1, 0)).toBe(false);
  expect(bucket.take(0, 49, 0)).toBe(true);
  expect(bucket.take(0, 1, 0)).toBe(false);
});

test('fills again with time, up to its burst, and never when the clock stands', () => {
  const bucket = new TokenBucket(limits, 0);
  expect(bucket.take(1000, 50, 0)).toBe(true);
  expect(bucket.take(101, 1, 1000)).toBe(false);
  expect(bucket.take(100, 10, 1000)).toBe(true);
  expect(bucket.take(1001, 1, 1_000_000)).toBe(true);
  expect(bucket.take(1, 1, 1_000_000)).toBe(false);
});

test('knows no limit where the rate is 0', () => {
  const bucket = new TokenBucket({ ...limits, appBytesPerSecond: 0 }, 0);
  expect(bucket.take(1e9, 50, 0)).toBe(true);
  expect(bucket.take(1, 1, 0)).toBe(false);
  const other = new TokenBucket({ ...limits, appMessagesPerSecond: 0 }, 0);
  expect(other.take(1000, 1e9, 0)).toBe(true);
});

test('never lets more pass than the burst and the rate allow', () => {
  const step = fc.tuple(fc.nat(500), fc.nat(20), fc.nat(3000));
  fc.assert(
    fc.property(fc.array(step, { maxLength: 50 }), (steps) => {
      const bucket = new TokenBucket(limits, 0);
      let [nowMs, bytes, messages] = [0, 0, 0];
      for (const [someBytes, some, ms] of steps) {
        nowMs += ms;
        if (!bucket.take(someBytes, some, nowMs)) continue;
        bytes += someBytes;
        messages += some;
      }
      expect(bytes).toBeLessThanOrEqual(1000 + nowMs / 10 + 1e-6);
      expect(messages).toBeLessThanOrEqual(50 + nowMs / 100 + 1e-6);
    }),
  );
});

test('limits each app on its own, gives back, and forgets the oldest', () => {
  const clock = new FakeClock();
  const limiter = new RateLimiter({ ...limits, appBucketsMax: 2 }, { clock });
  expect(limiter.take(appId(1), 1000, 1)).toBe(true);
  expect(limiter.take(appId(1), 1, 1)).toBe(false);
  expect(limiter.take(appId(2), 1000, 1)).toBe(true);
  limiter.giveBack(appId(1), 10, 1);
  expect(limiter.take(appId(1), 10, 1)).toBe(true);
  limiter.take(appId(3), 1, 1);
  expect(limiter.take(appId(1), 1000, 1)).toBe(true);
});

import { expect, test } from 'vitest';
import {
  afterFailure,
  afterSuccess,
  afterWrite,
  failedForMs,
  freshPace,
  type DeliveryPace,
  type Failure,
} from '../../src/drains/delivery-pace.ts';

const options = {
  retryBaseMs: 1000,
  retryMsMax: 300_000,
  stableMs: 30_000,
  holdProbeMs: 300_000,
  disableAfterMs: 5 * 86_400_000,
  fraction: 0.5,
};
const at = (monotonicMs: number) => ({ monotonicMs, wallMs: 1_000_000 + monotonicMs });
const failed = (pace: DeliveryPace, atMs: number, failure: Partial<Failure> = {}): DeliveryPace =>
  afterFailure(pace, { kind: 'retry', reason: 'connect', ...failure }, at(atMs), options);

test('waits twice as long after each failure, up to a bound', () => {
  let pace = freshPace;
  const waits = Array.from({ length: 11 }, () => (pace = failed(pace, 0)).notBeforeMs);
  expect(waits.slice(0, 4)).toEqual([500, 1000, 2000, 4000]);
  expect(waits.at(-1)).toBe(150_000);
});

test('waits as long as the receiver says, and probes a held drain at its own pace', () => {
  expect(failed(freshPace, 10, { afterMs: 77 }).notBeforeMs).toBe(87);
  const held = failed(freshPace, 10, { kind: 'hold', afterMs: 77 });
  expect(held).toMatchObject({ notBeforeMs: 300_010, isHeld: true });
  expect(failed(held, 300_010)).toMatchObject({ isHeld: false });
});

test('a success ends the wait; back-off begins anew only when successes have lasted', () => {
  const pace = failed(failed(freshPace, 0), 1000);
  const good = afterSuccess(pace, at(500_000));
  expect(good).toMatchObject({ notBeforeMs: 0, isFailing: false });
  expect(good).toMatchObject({ lastSuccessMs: 1_500_000, lastError: { atMs: 1_001_000 } });
  expect(failed(good, 529_999).failures).toBe(3);
  expect(failed(afterSuccess(good, at(529_999)), 530_000).failures).toBe(1);
});

test('a receiver that fails every other time is waited for as long as one that always fails', () => {
  let pace = freshPace;
  let nowMs = 0;
  for (let n = 0; n < 12; n++) {
    pace = failed(pace, nowMs);
    nowMs = pace.notBeforeMs + 1;
    pace = afterSuccess(pace, at(nowMs));
  }
  expect(failed(pace, nowMs).notBeforeMs - nowMs).toBe(150_000);
});

test('counts the time from one failure to the next, until something succeeds', () => {
  const pace = failed(freshPace, 1000);
  expect(failedForMs(freshPace, 1000)).toBe(0);
  expect(failedForMs(pace, 5000)).toBe(4000);
  expect(failedForMs(afterWrite(pace), 5000)).toBe(4000);
  expect(failedForMs(afterSuccess(pace, at(2000)), 5000)).toBe(0);
});

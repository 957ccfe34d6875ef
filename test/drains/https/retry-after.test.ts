import { expect, test } from 'vitest';
import { retryAfterMs } from '../../../src/drains/https/retry-after.ts';

const nowMs = Date.UTC(2026, 0, 1, 12, 0, 0);
const limits = { retryAfterMsMin: 1000, retryAfterMsMax: 900_000 };

test.each([
  ['1', 1000],
  ['120', 120_000],
  [' 120 ', 120_000],
  ['900', 900_000],
  ['901', 900_000],
  ['0', 1000],
  ['999999', 900_000],
  ['9'.repeat(400), 900_000],
  ['Thu, 01 Jan 2026 12:00:30 GMT', 30_000],
  ['Thu, 01 Jan 2026 12:00:00 GMT', 1000],
  ['Thu, 01 Jan 2026 11:00:00 GMT', 1000],
  ['Fri, 01 Jan 2027 11:00:00 GMT', 900_000],
  ['Thursday, 01-Jan-26 12:00:30 GMT', 30_000],
  ['Thu Jan  1 12:00:30 2026', 30_000],
  ['Thu Jan 01 12:00:30 2026', 30_000],
  ['-1', undefined],
  ['+1', undefined],
  ['1.5', undefined],
  ['1e3', undefined],
  ['0x10', undefined],
  ['1, 2', undefined],
  ['soon', undefined],
  ['2026-01-01T12:00:30Z', undefined],
  ['Thu, 99 Jan 2026 12:00:30 GMT', undefined],
  ['Thu, 01 Jan 2026 12:00:30 CET', undefined],
  ['', undefined],
  [undefined, undefined],
])('Retry-After %s is %s ms', (value, waitMs) => {
  expect(retryAfterMs(value, limits, nowMs)).toBe(waitMs);
});

test('the limits are the operator’s', () => {
  const wide = { retryAfterMsMin: 0, retryAfterMsMax: 86_400_000 };
  expect(retryAfterMs('0', wide, nowMs)).toBe(0);
  expect(retryAfterMs('3600', wide, nowMs)).toBe(3_600_000);
});

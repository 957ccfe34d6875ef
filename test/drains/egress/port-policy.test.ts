import { expect, test } from 'vitest';
import { isOpenPort } from '../../../src/drains/egress/port-policy.ts';

test.each([443, 514, 601, 6514, 1024, 8443, 65_535])('%i is open', (port) => {
  expect(isOpenPort(port, false)).toBe(true);
});

test.each([0, 1, 22, 25, 53, 80, 465, 587, 1023, 2375, 5432, 6379, 11_211, 27_017, 65_536])(
  '%i is closed',
  (port) => {
    expect(isOpenPort(port, false)).toBe(false);
  },
);

test('80 is open to plain http alone', () => {
  expect(isOpenPort(80, true)).toBe(true);
});

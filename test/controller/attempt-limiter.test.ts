import { expect, test } from 'vitest';
import { AttemptLimiter } from '../../src/controller/attempt-limiter.ts';
import { clientAddress } from '../../src/controller/client-address.ts';
import { FakeClock } from '../support/fake-clock.ts';

const limits = {
  windowMs: 1000,
  perPairMax: 2,
  perAccountMax: 4,
  perAddressMax: 5,
  entriesMax: 100,
};

test('allows so many attempts on an account from an address, and says how long to wait', async () => {
  const { clock, begin } = limiter();
  expect(begin('a', '1')).toBe(0);
  await clock.advance(400);
  expect(begin('a', '1')).toBe(0);
  expect(begin('a', '1')).toBe(600);
  expect(begin('a', '2')).toBe(0);
  await clock.advance(600);
  expect(begin('a', '1')).toBe(0);
});

test('bounds an account over all addresses, and an address over all accounts', () => {
  const { begin } = limiter();
  for (const address of ['1', '2', '3', '4']) expect(begin('a', address)).toBe(0);
  expect(begin('a', '5')).toBe(1000);
  for (const account of ['b', 'c', 'd', 'e', 'f']) expect(begin(account, '9')).toBe(0);
  expect(begin('g', '9')).toBe(1000);
});

test('an attempt that succeeds does not count', () => {
  const { begin, forgive } = limiter();
  for (let i = 0; i < 20; i++) {
    expect(begin('a', '1')).toBe(0);
    forgive('a', '1');
  }
});

test('forgets the oldest when there are too many to remember', () => {
  const { begin } = limiter({ entriesMax: 6 });
  begin('a', '1');
  begin('a', '1');
  expect(begin('a', '1')).toBe(1000);
  begin('b', '2');
  begin('c', '3');
  expect(begin('a', '1')).toBe(0);
});

test('an address is an IPv4 address, however it is written, or an IPv6 network', () => {
  expect(clientAddress('192.0.2.7')).toBe('192.0.2.7');
  expect(clientAddress('::ffff:192.0.2.7')).toBe('192.0.2.7');
  expect(clientAddress('2001:db8:1:2:3:4:5:6')).toBe('2001:db8:1:2::/64');
  expect(clientAddress('2001:db8::1')).toBe('2001:db8:0:0::/64');
  expect(clientAddress(undefined)).toBe('unknown');
  expect(clientAddress('nonsense')).toBe('unknown');
});

function limiter(overrides: Partial<typeof limits> = {}) {
  const clock = new FakeClock();
  const made = new AttemptLimiter({ ...limits, ...overrides }, { clock });
  return {
    clock,
    begin: (account: string, address: string) => made.begin({ account, address }),
    forgive: (account: string, address: string) => made.forgive({ account, address }),
  };
}

import { expect, test } from 'vitest';
import {
  classifyConnectError,
  classifySocketError,
  DialError,
} from '../../../src/drains/egress/dial-failure.ts';

function failed(code: string): Error {
  return Object.assign(new Error('secret.example.com'), { code });
}

test.each([
  ['ECONNREFUSED', 'connect'],
  ['EHOSTUNREACH', 'connect'],
  ['ECONNRESET', 'connect'],
  ['ETIMEDOUT', 'timeout'],
])('%s before there is a connection is %s', (code, reason) => {
  expect(classifyConnectError(failed(code))).toEqual({ reason });
});

test('a failure that is known keeps its reason', () => {
  const failure = { reason: 'dns' } as const;
  expect(classifySocketError(new DialError(failure))).toBe(failure);
});

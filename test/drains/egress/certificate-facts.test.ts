import { expect, test } from 'vitest';
import { certificateFacts } from '../../../src/drains/egress/certificate-facts.ts';

const issuer = { CN: 'R11', O: "Let's Encrypt", C: 'US', ST: '', L: '', OU: '' };

test('names the authority, by its organisation where it has no common name', () => {
  const valid_to = 'Dec 21 14:31:18 2026 GMT';
  const expiresAtMs = Date.UTC(2026, 11, 21, 14, 31, 18);
  expect(certificateFacts({ issuer, valid_to }, undefined)).toEqual({
    issuer: 'R11',
    expiresAtMs,
    problem: undefined,
  });
  const { CN: _, ...unnamed } = issuer;
  expect(certificateFacts({ issuer: unnamed as typeof issuer, valid_to }, 'expired')).toMatchObject(
    { issuer: "Let's Encrypt", problem: 'expired' },
  );
});

test('an authority’s name is short and obeyed by no terminal; a date that is none is left out', () => {
  const facts = certificateFacts(
    { issuer: { ...issuer, CN: `\u001b[2J${'x'.repeat(500)}` }, valid_to: 'never' },
    undefined,
  );
  expect(facts?.issuer).toBe(`?[2J${'x'.repeat(96)}`);
  expect(facts?.expiresAtMs).toBeUndefined();
});

test('without a certificate there are no facts', () => {
  expect(certificateFacts({} as never, undefined)).toBeUndefined();
  expect(certificateFacts(undefined, undefined)).toBeUndefined();
});

import { expect, test } from 'vitest';
import { readSignupStep, signupProblem } from '../../src/controller/signup-conversation.ts';

const uuid = 'f3c1';
const row = { uuid, email: 'a@b', confirmed: false, hasPassword: false, expiresAtMs: 1000 };

test.each([
  [{ email: ' foo+x@ex.com ' }, { kind: 'email', email: 'foo+x@ex.com' }],
  [
    { uuid, confirmation_code: ' 123 456 ' },
    { kind: 'code', uuid, code: '123456' },
  ],
  [
    { uuid, password: 'p:a ss/w%rd' },
    { kind: 'password', uuid, password: 'p:a ss/w%rd' },
  ],
  [
    { uuid, explanation: 'because' },
    { kind: 'explanation', uuid },
  ],
  [
    { uuid, tier: 'FREE' },
    { kind: 'tier', uuid },
  ],
])('%j is a step', (fields, step) => expect(readSignupStep(fields)).toEqual(step));

test.each([
  [{}, 422, /uuid is required/],
  [{ uuid }, 422, /needs an email/],
  [{ email: 'no address' }, 422, /not a valid e-mail/],
  [{ email: 'a:b@c' }, 422, /not a valid e-mail/],
  [{ email: 'a@b\r\nBcc: c@d' }, 422, /not a valid e-mail/],
  [{ email: 7 }, 422, /email is required/],
  [{ uuid, password: 'short' }, 422, /too short/],
  [{ uuid, tier: 'STANDARD' }, 422, /no billing/],
  [{ uuid, stripe_token: 'tok' }, 422, /no billing/],
  [{ uuid, promo_code: 'FREE4EVER' }, 422, /Invalid promo code/],
  [{ uuid, tier: 'GOLD' }, 422, /needs an email/],
  [{ oauth: 'google' }, 404, /not available/],
])('%j is refused', (fields, status, message) => {
  const thrown = catching(() => readSignupStep(fields));
  expect(thrown).toMatchObject({ status });
  expect((thrown as Error).message).toMatch(message);
});

const steps = {
  code: { kind: 'code', uuid, code: '1' },
  password: { kind: 'password', uuid, password: 'long enough' },
  tier: { kind: 'tier', uuid },
  explanation: { kind: 'explanation', uuid },
} as const;

test('the code comes first, then the password, then the end', () => {
  const confirmed = { ...row, confirmed: true };
  const complete = { ...confirmed, hasPassword: true };
  expect(allowed(row)).toEqual(['code', 'explanation']);
  expect(allowed(confirmed)).toEqual(['code', 'password', 'explanation']);
  expect(allowed(complete)).toEqual(['code', 'password', 'tier', 'explanation']);
});

test('after its time a signup is over, and the question for the code ends with 429', () => {
  for (const signup of [undefined, row]) {
    expect(signupProblem(steps.code, signup, 1000)).toMatchObject({ status: 429 });
    expect(signupProblem(steps.password, signup, 1000)).toMatchObject({ status: 422 });
    expect(signupProblem(steps.tier, signup, 1000)).toMatchObject({ status: 422 });
  }
});

function allowed(signup: typeof row): string[] {
  return Object.values(steps)
    .filter((step) => signupProblem(step, signup, 999) === undefined)
    .map(({ kind }) => kind);
}

function catching(work: () => unknown): unknown {
  try {
    return work();
  } catch (error) {
    return error;
  }
}

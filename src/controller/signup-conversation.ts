import type { SignupRow } from '../registry/registry.ts';
import { type ApiError, invalid, notFound, tooMany } from './api-error.ts';
import { emailField, type Fields, newPasswordField, textField } from './request-fields.ts';

/**
 * Signing up is a conversation over one endpoint; the body's field says which step is meant:
 *
 *   email ──► confirmation_code ──► password ──► tier: the account and its first key
 *
 * `explanation` is asked of nobody here, `promo_code` and `stripe_token` have nothing to be spent on.
 */
export type SignupStep =
  | { readonly kind: 'email'; readonly email: string }
  | { readonly kind: 'explanation'; readonly uuid: string }
  | { readonly kind: 'code'; readonly uuid: string; readonly code: string }
  | { readonly kind: 'password'; readonly uuid: string; readonly password: string }
  | { readonly kind: 'tier'; readonly uuid: string };

/** @throws ApiError 422 for what is no step, or none that this installation offers. */
export function readSignupStep(fields: Fields): SignupStep {
  if (fields['oauth'] !== undefined) throw noOauth();
  if (fields['email'] !== undefined) return { kind: 'email', email: emailField(fields, 'email') };
  const uuid = textField(fields, 'uuid', 64);
  if (fields['confirmation_code'] !== undefined) {
    const code = textField(fields, 'confirmation_code', 64).replaceAll(/[\s-]/g, '');
    return { kind: 'code', uuid, code };
  }
  if (fields['password'] !== undefined) {
    return { kind: 'password', uuid, password: newPasswordField(fields, 'password') };
  }
  if (fields['explanation'] !== undefined) return { kind: 'explanation', uuid };
  if (fields['promo_code'] !== undefined) throw invalid('Invalid promo code.');
  if (fields['stripe_token'] !== undefined) throw noBilling();
  if (fields['tier'] === 'FREE') return { kind: 'tier', uuid };
  if (fields['tier'] === 'STANDARD') throw noBilling();
  throw invalid('A signup needs an email, confirmation_code, password or tier.');
}

/**
 * Why the step cannot be taken now; undefined when it can. Where the code is asked for, the CLI repeats its
 * question after every answer but 429, so a conversation that is over has to end with that.
 */
export function signupProblem(
  step: Exclude<SignupStep, { kind: 'email' }>,
  signup: SignupRow | undefined,
  nowMs: number,
): ApiError | undefined {
  const over = !signup || signup.expiresAtMs <= nowMs;
  if (over && step.kind === 'code') return tooMany(startAgainMs);
  if (over) return invalid('This signup has expired. Please start again.');
  if (step.kind === 'code' || step.kind === 'explanation') return undefined;
  if (!signup.confirmed) return invalid('Please enter the confirmation code first.');
  if (step.kind === 'tier' && !signup.hasPassword) return invalid('Please set a password first.');
  return undefined;
}

export function noOauth(): ApiError {
  return notFound('Signing in with another service is not available on this installation.');
}

function noBilling(): ApiError {
  return invalid('There is no billing on this installation: please choose the FREE tier.');
}

const startAgainMs = 1000;

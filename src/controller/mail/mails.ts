import { Secret } from '../../core/secret.ts';
import type { Mail } from './mailer.ts';

/** How long what was mailed is good for; the texts say it. */
export const mailLifetimes = {
  codeMinutes: 30,
  resetMinutes: 60,
  confirmHours: 24,
  revokeDays: 7,
} as const;

const { codeMinutes, resetMinutes, confirmHours, revokeDays } = mailLifetimes;

/** The texts of all mails. Lines stay below 76 characters, so that no encoding ever breaks a code. */
export const mails = {
  confirmationCode: (to: string, code: Secret): Mail =>
    mail(to, 'Your confirmation code', code, [
      'Welcome! To go on with signing up, enter this confirmation code:',
      '',
      code.reveal(),
      '',
      `It is good for ${codeMinutes} minutes. If you did not ask for it, ignore this mail.`,
    ]),

  alreadySignedUp: (to: string): Mail =>
    mail(to, 'You already have an account', undefined, [
      'Somebody, probably you, tried to sign up with this address, which has an',
      'account already. To use it:',
      '',
      '  gigalixir login',
      '',
      'To set a new password: gigalixir account:password:reset',
    ]),

  passwordReset: (to: string, token: Secret): Mail =>
    mail(to, 'Reset your password', token, [
      'To set a new password, run this, and enter the token below:',
      '',
      '  gigalixir account:password:set',
      '',
      token.reveal(),
      '',
      `It is good for one use within ${resetMinutes} minutes.`,
      'If you did not ask for it, ignore this mail.',
    ]),

  passwordChanged: (to: string): Mail =>
    mail(to, 'Your password was changed', undefined, [
      'The password of your account was changed. API keys in use stay valid; to end',
      'them as well, run: gigalixir account:api_key:reset',
      '',
      'If it was not you: gigalixir account:password:reset',
    ]),

  emailConfirm: (to: string, link: string, token: Secret): Mail =>
    mail(to, 'Confirm your new address', token, [
      'To make this the address of your account, open this page:',
      '',
      link,
      '',
      'Its token is',
      '',
      token.reveal(),
      '',
      `It is good for ${confirmHours} hours. If you did not ask for it, ignore this mail.`,
    ]),

  emailRevoke: (to: string, next: string, link: string, token: Secret): Mail =>
    mail(to, 'Your address is being changed', token, [
      'Somebody, probably you, asked to change the address of your account to',
      '',
      `  ${next}`,
      '',
      'If it was not you, open this page to keep the present one:',
      '',
      link,
      '',
      'Its token is',
      '',
      token.reveal(),
      '',
      `It is good for ${revokeDays} days, also after the new address was confirmed.`,
    ]),
} as const;

function mail(to: string, subject: string, code: Secret | undefined, lines: string[]): Mail {
  const text = new Secret(`${lines.join('\n')}\n`);
  return code ? { to, subject, text, code } : { to, subject, text };
}

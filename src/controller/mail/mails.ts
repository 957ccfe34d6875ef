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

  drainEvent: (to: string, news: DrainNews): Mail =>
    mail(to, `Drain ${news.drain} of ${news.appName} ${drainSubjects[news.kind]}`, undefined, [
      `The drain ${news.drain} of your app ${news.appName},`,
      '',
      `  ${news.maskedUrl}`,
      '',
      ...drainTexts[news.kind],
      '',
      ...(news.kind === 'recovered' ? [] : [`Its last attempt failed with: ${failureOf(news)}`]),
    ]),
} as const;

/** What became of a drain, for the owner of its app. */
export interface DrainNews {
  readonly kind: 'held' | 'failing' | 'disabled' | 'recovered';
  readonly drain: number;
  readonly appName: string;
  readonly maskedUrl: string;
  readonly reason: string | undefined;
  readonly status: number | undefined;
}

const drainSubjects: Readonly<Record<DrainNews['kind'], string>> = {
  held: 'is held',
  failing: 'is failing',
  disabled: 'was disabled',
  recovered: 'has recovered',
};

const drainTexts: Readonly<Record<DrainNews['kind'], readonly string[]>> = {
  held: [
    'is held: its receiver turns everything away. Its lines wait for as long as',
    'the log keeps them, and it is tried again every five minutes.',
  ],
  failing: [
    'has failed for a day: no attempt to deliver has gone well. Its lines wait',
    'for as long as the log keeps them, and it is tried again every few minutes.',
  ],
  disabled: [
    'was disabled: no attempt to deliver has gone well for days. The lines that',
    'waited are dropped, and new ones are too, until you resume it.',
  ],
  recovered: ['has recovered: it delivers again.'],
};

function failureOf({ reason, status }: DrainNews): string {
  const words = reason?.replaceAll('_', ' ') ?? 'an unknown reason';
  return status === undefined ? words : `${words} (status ${status})`;
}

function mail(to: string, subject: string, code: Secret | undefined, lines: string[]): Mail {
  const text = new Secret(`${lines.join('\n')}\n`);
  return code ? { to, subject, text, code } : { to, subject, text };
}

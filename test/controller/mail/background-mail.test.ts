import { expect, test } from 'vitest';
import { BackgroundMail } from '../../../src/controller/mail/background-mail.ts';
import type { Mailer } from '../../../src/controller/mail/mailer.ts';
import { mails } from '../../../src/controller/mail/mails.ts';

const mail = mails.passwordChanged('a@b');

test('a mail that fails is logged and does not disturb', async () => {
  const { background, events } = made({ send: () => Promise.reject(new Error('no')) });
  background.send(mail);
  await background.close(AbortSignal.timeout(1000));
  expect(events).toEqual(['mail.failed']);
});

test('so many may be under way, and no more', async () => {
  const { background, events } = made({ send: () => Promise.resolve() });
  for (let i = 0; i < 3; i++) background.send(mail);
  expect(events).toEqual(['mail.dropped']);
  await background.close(AbortSignal.timeout(1000));
  background.send(mail);
  expect(events).toEqual(['mail.dropped']);
});

test('closing does not wait for ever', async () => {
  const { background } = made({ send: () => new Promise(() => undefined) });
  background.send(mail);
  await background.close(AbortSignal.abort());
});

function made(mailer: Mailer) {
  const events: string[] = [];
  const record = (_fields: object, event: string): void => void events.push(event);
  const logger = { debug: record, info: record, warn: record, error: record };
  return { background: new BackgroundMail({ pendingMax: 2 }, { mailer, logger }), events };
}

import { expect, test } from 'vitest';
import { mailDrainEvent } from '../../../src/controller/mail/drain-event-mail.ts';
import type { Mail } from '../../../src/controller/mail/mailer.ts';
import { appId, drainId } from '../../../src/core/ids.ts';
import type { AppRow, Apps } from '../../../src/registry/registry.ts';

const event = {
  drain: drainId(7),
  app: appId(1),
  maskedUrl: 'https://***:***@ex.com/in',
  reason: 'http_4xx',
  status: 401,
};

async function mailsOf(kind: 'held' | 'failing' | 'disabled' | 'recovered', isGone = false) {
  const mails: Mail[] = [];
  const row = { name: 'demo', owner: 'a@ex.com' } as AppRow;
  const apps = { find: () => Promise.resolve(isGone ? undefined : row) } as Partial<Apps> as Apps;
  const mailer = { send: (mail: Mail) => Promise.resolve(void mails.push(mail)) };
  await mailDrainEvent({ ...event, kind }, { registry: { apps }, mailer });
  return mails;
}

test.each([
  ['held', 'is held', /turns everything away[^]*http 4xx \(status 401\)/],
  ['failing', 'is failing', /failed for a day[^]*http 4xx/],
  ['disabled', 'was disabled', /are dropped[^]*until you resume it/],
  ['recovered', 'has recovered', /delivers again\.\n\n$/],
] as const)('the owner of the app reads that a drain is %s', async (kind, subject, text) => {
  const [mail] = await mailsOf(kind);
  expect(mail).toMatchObject({ to: 'a@ex.com', subject: `Drain 7 of demo ${subject}` });
  expect(mail?.text.reveal()).toMatch(text);
  expect(mail?.text.reveal()).toContain('  https://***:***@ex.com/in\n');
  for (const line of mail?.text.reveal().split('\n') ?? []) expect(line.length).toBeLessThan(77);
});

test('nobody is told of an app that is gone', async () => {
  expect(await mailsOf('held', true)).toEqual([]);
});

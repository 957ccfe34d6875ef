import { mkdtemp, readdir, readFile, rm, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, onTestFinished, test } from 'vitest';
import { mails } from '../../../src/controller/mail/mails.ts';
import { OutboxMailer } from '../../../src/controller/mail/outbox-mailer.ts';
import { systemChance as chance } from '../../../src/core/chance.ts';
import { Secret } from '../../../src/core/secret.ts';
import { FakeClock } from '../../support/fake-clock.ts';

test('a mail is a file with the code on a line of its own, and both are announced', async () => {
  const { mailer, directory, announced } = await outbox();
  await mailer.send(mails.confirmationCode('foo+x@ex.com', new Secret('012345')));
  const [name = ''] = await readdir(directory);
  const eml = await readFile(join(directory, name), 'utf8');
  expect(name).toMatch(/^2026-01-01T000000\.000Z-[0-9a-f]{8}\.eml$/);
  expect(eml).toMatch(/^From: Spillway <no-reply@spillway\.test>\nTo: foo\+x@ex\.com\nSubject: /);
  expect(eml).toContain('\nDate: Thu, 01 Jan 2026 00:00:00 +0000\n');
  expect(eml.split('\n')).toContain('012345');
  expect(announced).toEqual([`mail to foo+x@ex.com: ${join(directory, name)}, code 012345`]);
  expect((await stat(join(directory, name))).mode & 0o777).toBe(0o600);
});

test('keeps the newest files', async () => {
  const { mailer, directory, clock } = await outbox();
  for (let i = 0; i < 5; i++) {
    await clock.advance(1000);
    await mailer.send(mails.passwordChanged(`user-${i}@ex.com`));
  }
  const names = (await readdir(directory)).toSorted();
  expect(names.map((name) => name.slice(0, 17))).toEqual([
    '2026-01-01T000003',
    '2026-01-01T000004',
    '2026-01-01T000005',
  ]);
});

test('an outbox that cannot be written is a dependency that fails', async () => {
  const { mailer, directory } = await outbox();
  await writeFile(directory, 'in the way');
  await expect(mailer.send(mails.passwordChanged('a@b'))).rejects.toMatchObject({
    code: 'MAIL_UNAVAILABLE',
    retryable: true,
  });
});

test('no mail has a line that an encoding would break', () => {
  const token = new Secret('a'.repeat(32));
  const all = [
    mails.confirmationCode('a@b', token),
    mails.alreadySignedUp('a@b'),
    mails.passwordReset('a@b', token),
    mails.passwordChanged('a@b'),
    mails.emailConfirm('a@b', 'https://link', token),
    mails.emailRevoke('a@b', 'c@d', 'https://link', token),
  ];
  for (const { text, code } of all) {
    const lines = text.reveal().split('\n');
    expect(lines.every((line) => line.length <= 76)).toBe(true);
    if (code) expect(lines).toContain(code.reveal());
  }
});

async function outbox() {
  const parent = await mkdtemp(join(tmpdir(), 'spillway-outbox-'));
  onTestFinished(() => rm(parent, { recursive: true }));
  const directory = join(parent, 'outbox');
  const announced: string[] = [];
  const clock = new FakeClock();
  const mailer = new OutboxMailer(
    { directory, from: 'Spillway <no-reply@spillway.test>', filesMax: 3 },
    { announce: (line) => void announced.push(line), clock, chance },
  );
  return { mailer, directory, announced, clock };
}

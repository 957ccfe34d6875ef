import { Secret } from '../../core/secret.ts';
import { emailKey } from '../../registry/email-key.ts';
import { invalid } from '../api-error.ts';
import { mailLifetimes, mails } from '../mail/mails.ts';
import { newMailToken } from '../new-secrets.ts';
import { bodyFields, emailField, textField } from '../request-fields.ts';
import { addressOf, queryOf, userOf, type Routes } from './route-parts.ts';

/**
 * Changing the address of an account: the new one gets a link that makes it so, the old one a link that
 * takes it back. A link shows a page with a button, because programs that check mails open every link.
 */
export const emailChangeRoutes: Routes<
  | 'registry'
  | 'access'
  | 'passwordCheck'
  | 'backgroundMail'
  | 'mailAllowance'
  | 'clock'
  | 'chance'
  | 'logger',
  { readonly publicUrl: string }
> = (api, parts, { publicUrl }) => {
  const { registry, access, passwordCheck, backgroundMail, mailAllowance, chance, clock } = parts;
  const { users } = registry;

  api.post('/api/users/email', async (request) => {
    const user = await userOf(request, access);
    const fields = bodyFields(request.body);
    const next = emailField(fields, 'next_email');
    await passwordCheck.confirm(user, textField(fields, 'current_password'), addressOf(request));
    mailAllowance.take({ account: emailKey(next), address: addressOf(request) });
    const holder = await users.findByEmail(next);
    if (holder && holder.id !== user.id) {
      backgroundMail.send(mails.alreadySignedUp(next));
    } else {
      const confirm = newMailToken(chance);
      const expiresAtMs = clock.nowMs() + mailLifetimes.confirmHours * 3_600_000;
      const about = { kind: 'email_confirm', user: user.id, email: next, expiresAtMs } as const;
      await users.addMailToken(confirm, about);
      backgroundMail.send(mails.emailConfirm(next, link('confirm', confirm), confirm));
    }
    const revoke = newMailToken(chance);
    const expiresAtMs = clock.nowMs() + mailLifetimes.revokeDays * 86_400_000;
    const about = { kind: 'email_revoke', user: user.id, email: user.email, expiresAtMs } as const;
    await users.addMailToken(revoke, about);
    backgroundMail.send(mails.emailRevoke(user.email, next, link('revoke', revoke), revoke));
    return { data: { message: 'Please check your e-mail.' } };
  });

  api.get('/api/users/email/:action', (request, reply) => {
    const { action } = request.params as { action: string };
    const question = questions.get(action);
    if (question === undefined) return reply.callNotFound();
    return reply
      .headers(pageHeaders)
      .send(page(`<form method="post"><button>${question}</button></form>`));
  });

  api.post('/api/users/email/confirm', async (request, reply) => {
    const token = new Secret(queryOf(request).get('token') ?? '');
    const about = await users.takeMailToken(token, 'email_confirm');
    if (!about || !(await users.setEmail(about.user, about.email))) throw staleLink();
    parts.logger.info({ userId: about.user }, 'controller.email_changed');
    return reply
      .headers(pageHeaders)
      .send(page('Done. Please run <code>gigalixir login</code> again.'));
  });

  api.post('/api/users/email/revoke', async (request, reply) => {
    const token = new Secret(queryOf(request).get('token') ?? '');
    const about = await users.takeMailToken(token, 'email_revoke');
    if (!about || !(await users.setEmail(about.user, about.email))) throw staleLink();
    await users.endMailTokens(about.user, 'email_confirm');
    parts.logger.info({ userId: about.user }, 'controller.email_change_revoked');
    return reply
      .headers(pageHeaders)
      .send(page('Done. If it was not you, please reset your password and your API key now.'));
  });

  function link(action: string, token: Secret): string {
    return `${publicUrl}/api/users/email/${action}?token=${token.reveal()}`;
  }
};

function staleLink(): Error {
  return invalid('This link is wrong, used or expired.');
}

function page(content: string): string {
  return `<!doctype html><meta charset="utf-8"><title>Your e-mail address</title><p>${content}</p>\n`;
}

const questions = new Map([
  ['confirm', 'Make this the address of my account'],
  ['revoke', 'Keep the old address'],
]);

const pageHeaders = {
  'content-type': 'text/html; charset=utf-8',
  'content-security-policy': "default-src 'none'; form-action 'self'; frame-ancestors 'none'",
  'referrer-policy': 'no-referrer',
};

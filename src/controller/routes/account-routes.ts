import { Secret } from '../../core/secret.ts';
import { emailKey } from '../../registry/email-key.ts';
import { invalid } from '../api-error.ts';
import { mailLifetimes, mails } from '../mail/mails.ts';
import { newMailToken } from '../new-secrets.ts';
import { bodyFields, emailField, newPasswordField, textField } from '../request-fields.ts';
import { addressOf, userOf, type Routes } from './route-parts.ts';

/** The account itself: password, and leaving. */
export const accountRoutes: Routes<
  | 'registry'
  | 'access'
  | 'passwords'
  | 'passwordCheck'
  | 'signup'
  | 'backgroundMail'
  | 'mailAllowance'
  | 'clock'
  | 'chance'
  | 'logger'
> = (api, parts) => {
  const { registry, access, passwords, passwordCheck, backgroundMail, mailAllowance } = parts;

  api.get('/api/users', async (request) => {
    const user = await userOf(request, access);
    return { data: { email: user.email, tier: user.tier, credit_cents: 0 } };
  });

  api.patch('/api/users/change_password', async (request) => {
    const user = await userOf(request, access);
    const fields = bodyFields(request.body);
    const current = textField(fields, 'current_password');
    const next = newPasswordField(fields, 'new_password');
    await passwordCheck.confirm(user, current, addressOf(request));
    await registry.users.setPassword(user.id, await passwords.hash(next));
    backgroundMail.send(mails.passwordChanged(user.email));
    return { data: { message: 'Your password has been changed.' } };
  });

  api.put('/api/users/reset_password', async (request) => {
    const email = emailField(bodyFields(request.body), 'email');
    mailAllowance.take({ account: emailKey(email), address: addressOf(request) });
    const user = await registry.users.findByEmail(email);
    if (user) {
      const token = newMailToken(parts.chance);
      const expiresAtMs = parts.clock.nowMs() + mailLifetimes.resetMinutes * 60_000;
      const about = { kind: 'password_reset', user: user.id, email: '', expiresAtMs } as const;
      await registry.users.addMailToken(token, about);
      backgroundMail.send(mails.passwordReset(user.email, token));
    }
    return { data: { message: 'If there is such an account, a mail is on its way.' } };
  });

  api.post('/api/users/reset_password', async (request) => {
    const fields = bodyFields(request.body);
    const token = new Secret(textField(fields, 'token').trim());
    // Judged before the token is spent on it.
    const password = newPasswordField(fields, 'password');
    const about = await registry.users.takeMailToken(token, 'password_reset');
    if (!about) throw invalid('This token is wrong, used or expired. Please ask for a new one.');
    await registry.users.setPassword(about.user, await passwords.hash(password));
    parts.logger.info({ userId: about.user }, 'controller.password_reset');
    return { data: { message: 'Your password has been changed.' } };
  });

  api.put('/api/users/reconfirm_email', async (request) => {
    const email = emailField(bodyFields(request.body), 'email');
    mailAllowance.take({ account: emailKey(email), address: addressOf(request) });
    await parts.signup.renew(email);
    return { data: { message: 'If a confirmation is due, a mail is on its way.' } };
  });

  api.delete('/api/users/destroy', async (request) => {
    const user = await userOf(request, access);
    const fields = bodyFields(request.body);
    if (emailKey(emailField(fields, 'email')) !== emailKey(user.email)) {
      throw invalid('This is not the e-mail address of your account.');
    }
    await passwordCheck.confirm(user, textField(fields, 'current_password'), addressOf(request));
    if (!(await registry.users.destroy(user.id))) {
      throw invalid('You still own apps. Please destroy them first.');
    }
    parts.logger.info({ userId: user.id }, 'controller.user_destroyed');
    return { data: 'deleted' };
  });
};

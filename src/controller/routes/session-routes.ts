import { Secret } from '../../core/secret.ts';
import { unauthorised } from '../api-error.ts';
import { basicCredentials } from '../basic-auth.ts';
import { newApiKey } from '../new-secrets.ts';
import { bodyFields } from '../request-fields.ts';
import { noOauth } from '../signup-conversation.ts';
import { addressOf, queryOf, userOf, type Routes } from './route-parts.ts';

/** Ways to get a key: log in, sign up, replace all keys. */
export const sessionRoutes: Routes<
  'registry' | 'access' | 'passwordCheck' | 'signup' | 'chance' | 'logger'
> = (api, { registry, access, passwordCheck, signup, chance, logger }) => {
  api.get('/api/login', { exposeHeadRoute: false }, async (request) => {
    const readings = basicCredentials(request.headers.authorization);
    const user = await passwordCheck.login(readings, addressOf(request));
    if (!user) throw unauthorised('The e-mail address or the password is wrong.');
    const key = newApiKey(chance);
    await registry.users.addKey(user.id, key);
    logger.info({ userId: user.id }, 'controller.logged_in');
    return { data: { key: key.reveal() } };
  });

  api.post('/api/signup', async (request) => ({
    data: await signup.answer(bodyFields(request.body), addressOf(request)),
  }));

  // The password comes in the query, because the CLI sends it there: nothing may ever log this URL.
  api.post('/api/api_keys/regenerate', async (request, reply) => {
    const user = await userOf(request, access);
    const given =
      queryOf(request).get('current_password') ?? bodyFields(request.body)['current_password'];
    const password = new Secret(typeof given === 'string' ? given : '');
    await passwordCheck.confirm(user, password.reveal(), addressOf(request));
    const key = newApiKey(chance);
    await registry.users.replaceKeys(user.id, key);
    logger.info({ userId: user.id }, 'controller.keys_replaced');
    return reply.status(201).send({ data: { key: key.reveal() } });
  });

  api.post('/api/oauth/:provider', () => {
    throw noOauth();
  });
  api.get('/api/oauth/:provider/:session', () => {
    throw noOauth();
  });
};

import { invalid, notFound } from '../api-error.ts';
import { bodyFields, idField, textField } from '../request-fields.ts';
import { userOf, type Routes } from './route-parts.ts';

export const sshKeyRoutes: Routes<'registry' | 'access'> = (api, { registry, access }) => {
  api.get('/api/ssh_keys', async (request) => {
    const user = await userOf(request, access);
    return { data: await registry.users.sshKeys(user.id) };
  });

  api.post('/api/ssh_keys', async (request, reply) => {
    const user = await userOf(request, access);
    const key = textField(bodyFields(request.body), 'ssh_key', keyLengthMax).trim();
    if (!isPublicKey(key)) throw invalid('This is not a public SSH key.');
    const outcome = await registry.users.addSshKey(user.id, key);
    if (outcome === 'duplicate') throw invalid('You have this key already.');
    if (outcome === 'full') throw invalid('You have as many SSH keys as allowed.');
    return reply.status(201).send({ data: {} });
  });

  api.delete('/api/ssh_keys', async (request) => {
    const user = await userOf(request, access);
    const id = idField(bodyFields(request.body), 'id');
    if (id === undefined || !(await registry.users.removeSshKey(user.id, id))) {
      throw notFound('You have no SSH key with this id.');
    }
    return { data: 'deleted' };
  });
};

/** `type base64 comment`, one line. Nothing may come before the type: options there would be obeyed. */
function isPublicKey(key: string): boolean {
  return /^(ssh|ecdsa|sk-ssh|sk-ecdsa)-[a-z0-9@.-]+ [A-Za-z0-9+/]{32,}={0,3}( [^\p{Cc}]*)?$/u.test(
    key,
  );
}

const keyLengthMax = 16 * 1024;

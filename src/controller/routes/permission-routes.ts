import { emailKey } from '../../registry/email-key.ts';
import type { GrantedRole } from '../../registry/registry.ts';
import { invalid, notFound, unauthorised } from '../api-error.ts';
import { bodyFields, emailField, type Fields } from '../request-fields.ts';
import { appOf, type Routes } from './route-parts.ts';

/**
 * Who else may use an app. Permissions belong to addresses: somebody may be invited before they sign up,
 * and the answer tells nobody which addresses have accounts.
 */
export const permissionRoutes: Routes<'registry' | 'access' | 'logger'> = (
  api,
  { registry, access, logger },
) => {
  api.get('/api/apps/:app/permissions', async (request) => {
    const { app } = await appOf(request, access, 'view');
    const permissions = await registry.apps.permissions(app.id);
    const having = (role: GrantedRole): string[] =>
      permissions.filter((permission) => permission.role === role).map(({ email }) => email);
    return {
      data: {
        owner: app.owner,
        collaborators: having('COLLABORATOR'),
        viewers: having('VIEWER'),
      },
    };
  });

  api.post('/api/apps/:app/permissions', async (request, reply) => {
    const { app } = await appOf(request, access, 'own');
    const fields = bodyFields(request.body);
    const email = emailField(fields, 'email');
    const role = roleField(fields);
    const outcome = await registry.apps.grant(app.id, email, role);
    if (outcome === 'owner') throw invalid('This is the owner of the app.');
    if (outcome === 'full') throw invalid('The app has as many collaborators as allowed.');
    logger.info({ appId: app.id, role }, 'controller.access_granted');
    return reply.status(201).send({ data: { email, role } });
  });

  api.delete('/api/apps/:app/permissions', async (request) => {
    const { app, user, role } = await appOf(request, access, 'view');
    const email = emailField(bodyFields(request.body), 'email');
    // Everybody may leave; only the owner sends others away.
    if (role !== 'OWNER' && emailKey(email) !== emailKey(user.email)) throw unauthorised();
    if (!(await registry.apps.revoke(app.id, email))) {
      throw notFound('This address has no access to the app.');
    }
    logger.info({ appId: app.id }, 'controller.access_revoked');
    return { data: 'deleted' };
  });
};

function roleField(fields: Fields): GrantedRole {
  const given = fields['role'] ?? 'COLLABORATOR';
  const role = typeof given === 'string' ? given.toUpperCase() : undefined;
  if (role !== 'COLLABORATOR' && role !== 'VIEWER') {
    throw invalid('role must be COLLABORATOR or VIEWER.');
  }
  return role;
}

import type { AppRow, NewApp, Registry } from '../../registry/registry.ts';
import type { Chance } from '../../core/chance.ts';
import { ApiError, invalid } from '../api-error.ts';
import { appNameProblem, generatedAppName } from '../app-names.ts';
import { bodyFields, type Fields, textField } from '../request-fields.ts';
import { appOf, userOf, type RouteParts, type Routes } from './route-parts.ts';

export const appRoutes: Routes<'registry' | 'access' | 'appHead' | 'chance' | 'logger'> = (
  api,
  { registry, access, appHead, chance, logger },
) => {
  api.get('/api/apps', async (request) => {
    const user = await userOf(request, access);
    return { data: (await registry.apps.listFor(user)).map(shown) };
  });

  api.post('/api/apps', async (request, reply) => {
    const user = await userOf(request, access);
    const fields = bodyFields(request.body);
    const wanted = {
      owner: user.id,
      cloud: place(fields, 'cloud') ?? 'gcp',
      region: place(fields, 'region') ?? 'v2018-us-central1',
      stack: place(fields, 'stack') ?? 'gigalixir-24',
    };
    const name = nameOf(fields);
    let app = await create(registry, chance, name, wanted);
    while (await isForeign(app, { registry, appHead })) {
      logger.warn({ appId: app.id }, 'controller.app_id_taken');
      app = await create(registry, chance, name, wanted);
    }
    logger.info({ appId: app.id, userId: user.id }, 'controller.app_created');
    return reply.status(201).send({ data: shown(app) });
  });

  api.get('/api/apps/:app', async (request) => {
    const { app, role } = await appOf(request, access, 'view');
    return { data: { ...shown(app), owner: app.owner, role } };
  });

  api.delete('/api/apps/:app', async (request) => {
    const { app, user } = await appOf(request, access, 'own');
    await registry.apps.destroy(app.id);
    logger.info({ appId: app.id, userId: user.id }, 'controller.app_destroyed');
    return { data: 'deleted' };
  });
};

/**
 * Whether the log has lines under the app's id already: those of another app, of which a registry that was put back
 * from a backup does not know. Nobody may see them, so that the id goes.
 */
async function isForeign(
  { id }: AppRow,
  { registry, appHead }: Pick<RouteParts, 'registry' | 'appHead'>,
): Promise<boolean> {
  let isFresh = false;
  try {
    isFresh = (await appHead.headOf(id)).appSeq === 0;
  } finally {
    if (!isFresh) await registry.apps.destroy(id);
  }
  return !isFresh;
}

async function create(
  registry: Registry,
  chance: Chance,
  chosen: string | undefined,
  app: Omit<NewApp, 'name'>,
): Promise<AppRow> {
  for (let attempt = 0; attempt < generatedNamesMax; attempt++) {
    const name = chosen ?? generatedAppName(chance);
    const created = await registry.apps.create({ ...app, name });
    if (created === 'full') throw invalid('You have as many apps as allowed.');
    if (created !== 'taken') return created;
    if (chosen !== undefined) throw invalid(`The name ${chosen} has already been taken.`);
  }
  throw new ApiError(503, 'No free name was found. Please try again, or choose one.');
}

function nameOf(fields: Fields): string | undefined {
  if (fields['unique_name'] === undefined || fields['unique_name'] === null) return undefined;
  const name = textField(fields, 'unique_name').toLowerCase();
  const problem = appNameProblem(name);
  if (problem !== undefined) throw invalid(problem);
  return name;
}

/** A cloud, region or stack: remembered as wanted, since nothing is placed by it here. */
function place(fields: Fields, name: string): string | undefined {
  if (fields[name] === undefined || fields[name] === null) return undefined;
  const value = textField(fields, name, 64);
  if (!/^[A-Za-z0-9_.-]+$/.test(value)) throw invalid(`${name} is not valid.`);
  return value;
}

function shown(app: AppRow): object {
  return {
    unique_name: app.name,
    replicas: 1,
    size: 0.2,
    cloud: app.cloud,
    region: app.region,
    stack: app.stack,
  };
}

const generatedNamesMax = 10;

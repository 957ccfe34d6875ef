import type { FastifyRequest } from 'fastify';
import { drainId } from '../../core/ids.ts';
import type { AppRow, DrainRow } from '../../registry/registry.ts';
import type { Need } from '../access.ts';
import { ApiError, invalid, notFound, unauthorised } from '../api-error.ts';
import { bodyFields, idField, objectField, textField } from '../request-fields.ts';
import { appOf, type RouteParts, type Routes } from './route-parts.ts';
import { shownDrain, shownHealth, shownState } from './shown-drain.ts';

export const drainRoutes: Routes<
  'registry' | 'access' | 'drainGate' | 'appHead' | 'drainWatch' | 'logger'
> = (api, { registry, access, drainGate, appHead, drainWatch, logger }) => {
  api.get('/api/apps/:app/drains', async (request) => {
    const { app } = await appOf(request, access, 'view');
    const rows = await registry.drains.listOf(app.id);
    return {
      data: await Promise.all(
        rows.map(async (row) => {
          const health = await drainWatch.healthOf(row.id);
          const state = shownState(health);
          return {
            ...shownDrain(row, drainGate),
            state,
            health: health ? shownHealth(health) : null,
          };
        }),
      ),
    };
  });

  api.get('/api/apps/:app/drains/:drain', async (request) => {
    const { drain } = await drainOf(request, { access, registry }, 'view');
    const health = await drainWatch.healthOf(drain.id);
    const state = shownState(health);
    return {
      data: { ...shownDrain(drain, drainGate), state, ...(health && shownHealth(health)) },
    };
  });

  api.post('/api/apps/:app/drains', async (request, reply) => {
    const { app } = await appOf(request, access, 'change');
    const fields = bodyFields(request.body);
    const url = textField(fields, 'url', urlLengthMax);
    const checked = drainGate.check(url, objectField(fields, 'options'));
    if (!checked.ok) throw invalid(...checked.problems);
    // Read after the request came and stored before it is answered: lines acknowledged before the request
    // are not delivered, those acknowledged after the answer are.
    const start = await appHead.headOf(app.id);
    const added = await registry.drains.add(app.id, checked.spec, start);
    if (added === 'duplicate')
      throw new ApiError(409, 'The app already has a drain with this URL.');
    if (added === 'full')
      throw invalid('The app already has the maximum number of drains allowed.');
    if (added === 'gone') throw unauthorised();
    logger.info({ appId: app.id, drainId: added.id }, 'controller.drain_added');
    return reply.status(201).send({ data: shownDrain(added, drainGate) });
  });

  api.delete('/api/apps/:app/drains', async (request) => {
    const { app } = await appOf(request, access, 'change');
    const id = idField(bodyFields(request.body), 'drain_id');
    if (id === undefined || !(await registry.drains.remove(app.id, drainId(id)))) {
      throw notFound(noDrain);
    }
    logger.info({ appId: app.id, drainId: id }, 'controller.drain_removed');
    return { data: 'deleted' };
  });
};

/** The drain that the path names. */
export async function drainOf(
  request: FastifyRequest,
  { access, registry }: Pick<RouteParts, 'access' | 'registry'>,
  need: Need,
): Promise<{ app: AppRow; drain: DrainRow }> {
  const { app } = await appOf(request, access, need);
  const { drain: wanted } = request.params as { drain: string };
  const drain = (await registry.drains.listOf(app.id)).find(({ id }) => String(id) === wanted);
  if (!drain) throw notFound(noDrain);
  return { app, drain };
}

export const noDrain = 'The app has no drain with this id.';
/** With options in its fragment; the gate has bounds for each of the two. */
const urlLengthMax = 32_768;

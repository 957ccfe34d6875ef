import { drainId } from '../../core/ids.ts';
import type { DrainRow } from '../../registry/registry.ts';
import { ApiError, invalid, notFound, unauthorised } from '../api-error.ts';
import { bodyFields, idField, textField } from '../request-fields.ts';
import { appOf, type Routes } from './route-parts.ts';

export const drainRoutes: Routes<'registry' | 'access' | 'drainGate' | 'appHead' | 'logger'> = (
  api,
  { registry, access, drainGate, appHead, logger },
) => {
  api.get('/api/apps/:app/drains', async (request) => {
    const { app } = await appOf(request, access, 'view');
    return { data: (await registry.drains.listOf(app.id)).map(shown) };
  });

  api.post('/api/apps/:app/drains', async (request, reply) => {
    const { app } = await appOf(request, access, 'change');
    const checked = drainGate.check(textField(bodyFields(request.body), 'url', urlLengthMax));
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
    return reply.status(201).send({ data: shown(added) });
  });

  api.delete('/api/apps/:app/drains', async (request) => {
    const { app } = await appOf(request, access, 'change');
    const id = idField(bodyFields(request.body), 'drain_id');
    if (id === undefined || !(await registry.drains.remove(app.id, drainId(id)))) {
      throw notFound('The app has no drain with this id.');
    }
    logger.info({ appId: app.id, drainId: id }, 'controller.drain_removed');
    return { data: 'deleted' };
  });
};

function shown(drain: DrainRow): object {
  return { id: drain.id, token: drain.token, url: drain.masked };
}

const urlLengthMax = 8192;

import { drainId } from '../../core/ids.ts';
import type { DrainRow } from '../../registry/registry.ts';
import { ApiError, invalid, notFound, unauthorised } from '../api-error.ts';
import type { DrainGate, DrainHealth } from '../controller-parts.ts';
import { bodyFields, idField, objectField, textField } from '../request-fields.ts';
import { appOf, type Routes } from './route-parts.ts';

export const drainRoutes: Routes<
  'registry' | 'access' | 'drainGate' | 'appHead' | 'drainWatch' | 'logger'
> = (api, { registry, access, drainGate, appHead, drainWatch, logger }) => {
  api.get('/api/apps/:app/drains', async (request) => {
    const { app } = await appOf(request, access, 'view');
    return { data: (await registry.drains.listOf(app.id)).map((row) => shown(row, drainGate)) };
  });

  api.get('/api/apps/:app/drains/:drain', async (request) => {
    const { app } = await appOf(request, access, 'view');
    const { drain: wanted } = request.params as { drain: string };
    const drain = (await registry.drains.listOf(app.id)).find(({ id }) => String(id) === wanted);
    if (!drain) throw notFound('The app has no drain with this id.');
    return {
      data: { ...shown(drain, drainGate), ...shownHealth(await drainWatch.healthOf(drain.id)) },
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
    return reply.status(201).send({ data: shown(added, drainGate) });
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

/** The CLI's shape, and the options where there are some. */
function shown(drain: DrainRow, gate: DrainGate): object {
  const { id, token, masked: url, options } = drain;
  const hasOptions = Object.keys(options).length > 0;
  return { id, token, url, ...(hasOptions ? { options: gate.shown(options) } : {}) };
}

function shownHealth(health: DrainHealth | undefined): object {
  if (!health) return { state: 'starting' };
  const { state, messages, backlog, lastError } = health;
  return {
    state,
    messages,
    backlog: {
      messages: backlog.messages,
      bytes: backlog.bytes,
      age_seconds: Math.round(backlog.ageMs / 1000),
    },
    imbalance: health.imbalanceMessages,
    last_success: time(health.lastSuccessMs),
    last_error: lastError?.reason ?? null,
    last_error_at: time(lastError?.atMs),
    next_retry: time(health.nextAttemptMs),
  };
}

function time(ms: number | undefined): string | null {
  return ms === undefined ? null : new Date(ms).toISOString();
}

const urlLengthMax = 8192;

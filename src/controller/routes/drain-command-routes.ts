import type { FastifyRequest } from 'fastify';
import type { AppId, DrainId } from '../../core/ids.ts';
import type { DrainRow } from '../../registry/registry.ts';
import { ApiError, invalid, notFound, tooMany } from '../api-error.ts';
import type { ReplayAnswer, ReplayFrom } from '../controller-parts.ts';
import { bodyFields, objectField, type Fields } from '../request-fields.ts';
import { drainOf, noDrain } from './drain-routes.ts';
import { addressOf, type Routes } from './route-parts.ts';
import { shownDrain, shownHealth, shownReplay, shownState, shownVerdict } from './shown-drain.ts';

/** What an owner does to a drain that is there. */
export const drainCommandRoutes: Routes<
  'registry' | 'access' | 'drainGate' | 'drainWatch' | 'drainCommands' | 'testAllowance' | 'logger'
> = (api, parts) => {
  const { registry, access, drainGate, drainWatch, drainCommands, testAllowance, logger } = parts;
  const path = '/api/apps/:app/drains/:drain';

  /** The drain as it is once the change has taken effect. */
  const changed = async (row: DrainRow | undefined, command: string): Promise<object> => {
    if (!row) throw notFound(noDrain);
    logger.info({ appId: row.app, drainId: row.id }, `controller.drain_${command}`);
    await drainCommands.settled(row.id);
    const health = await drainWatch.healthOf(row.id);
    const state = shownState(health);
    return { data: { ...shownDrain(row, drainGate), state, ...(health && shownHealth(health)) } };
  };

  const mine = async (request: FastifyRequest): Promise<{ app: AppId; id: DrainId }> => {
    const { drain } = await drainOf(request, { registry, access }, 'change');
    return { app: drain.app, id: drain.id };
  };

  api.post(`${path}/pause`, async (request) => {
    const { app, id } = await mine(request);
    return changed(await registry.drains.pause(app, id), 'paused');
  });

  api.post(`${path}/resume`, async (request) => {
    const { app, id } = await mine(request);
    return changed(await registry.drains.resume(app, id), 'resumed');
  });

  api.patch(path, async (request) => {
    const { app, id } = await mine(request);
    const options = optionsToChange(bodyFields(request.body));
    let problems: readonly string[] = [];
    const row = await registry.drains.setOptions(app, id, (known) => {
      const verdict = drainGate.changed(known, options);
      if (verdict.ok) return verdict.options;
      ({ problems } = verdict);
      return undefined;
    });
    if (row === 'kept') throw invalid(...problems);
    return changed(row, 'options_changed');
  });

  api.post(`${path}/test`, async (request) => {
    const { app, id } = await mine(request);
    testAllowance.take({ account: `app ${app}`, address: addressOf(request) });
    const verdict = await drainCommands.test(id);
    if (verdict === 'busy') throw tooMany(busyMs);
    if (!verdict) throw starting();
    return { data: shownVerdict(verdict) };
  });

  api.post(`${path}/replay`, async (request, reply) => {
    const { id } = await mine(request);
    throwUnlessStarted(await drainCommands.startReplay(id, replayFrom(bodyFields(request.body))));
    logger.info({ drainId: id }, 'controller.drain_replay_started');
    const health = await drainWatch.healthOf(id);
    return reply.status(202).send({ data: health?.replay ? shownReplay(health.replay) : null });
  });

  api.delete(`${path}/replay`, async (request) => {
    const { id } = await mine(request);
    if (!(await drainCommands.stopReplay(id))) throw notFound('The drain has no replay.');
    logger.info({ drainId: id }, 'controller.drain_replay_stopped');
    return { data: 'stopped' };
  });
};

function optionsToChange(fields: Fields): Fields {
  const others = Object.keys(fields).filter((name) => name !== 'options');
  if (others.length > 0) {
    const names = others.map((name) => JSON.stringify(name.slice(0, 40))).join(', ');
    throw invalid(`Only options can be changed, not ${names}: add another drain instead.`);
  }
  const options = objectField(fields, 'options');
  if (Object.keys(options).length === 0) throw invalid('options is required.');
  return options;
}

/** One of `since`, a time of ISO 8601 with its zone, and `position`. */
function replayFrom(fields: Fields): ReplayFrom {
  const { since, position } = fields;
  if ((since === undefined) === (position === undefined)) {
    throw invalid('Either since or position is required.');
  }
  if (typeof position === 'string') return { position };
  const sinceMs = typeof since === 'string' ? isoMs(since) : Number.NaN;
  if (Number.isNaN(sinceMs)) {
    throw invalid('since must be a time such as 2026-01-01T00:00:00Z, position one of the log.');
  }
  return { sinceMs };
}

/** NaN for anything else, and for days that no calendar has: `Date` takes 30 February for 2 March. */
function isoMs(text: string): number {
  if (!isoTime.test(text)) return Number.NaN;
  const day = text.slice(0, 'YYYY-MM-DD'.length);
  const dayMs = Date.parse(day);
  const isDay = !Number.isNaN(dayMs) && new Date(dayMs).toISOString().startsWith(day);
  return isDay ? Date.parse(text) : Number.NaN;
}

const isoTime = /^\d{4}-\d\d-\d\dT\d\d:\d\d(?::\d\d(?:\.\d{1,9})?)?(?:Z|[+-]\d\d:?\d\d)$/;

function throwUnlessStarted(answer: ReplayAnswer | 'busy' | undefined): void {
  switch (answer) {
    case 'started':
      return;
    case 'running':
      throw new ApiError(409, 'The drain has a replay that is running.');
    case 'resting':
      throw new ApiError(409, 'The drain is paused or disabled: resume it first.');
    case 'no position':
      throw invalid('There is no such place in the log before the one where the drain is.');
    case 'busy':
      throw tooMany(busyMs);
    case undefined:
      throw starting();
  }
}

function starting(): ApiError {
  return new ApiError(503, 'The drain is being started. Please try again.', { 'retry-after': '1' });
}

const busyMs = 5_000;

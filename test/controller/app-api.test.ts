import { expect, test } from 'vitest';
import { DependencyError } from '../../src/core/errors.ts';
import type { AppId } from '../../src/core/ids.ts';
import { secretHash } from '../../src/registry/secret-hash.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { dataOf, scratchController, type Credentials } from './scratch-controller.ts';

test('an app is created with a given name in lower case, or with a generated one', async () => {
  await using api = await scratchController();
  const auth = await api.account('a@ex.com');
  const create = (body?: unknown) => api.call('POST', '/api/apps', { auth, body });
  const named = await create({ unique_name: 'My-App', region: 'europe-west1' });
  expect(named.status).toBe(201);
  expect(dataOf(named)).toEqual({
    unique_name: 'my-app',
    replicas: 1,
    size: 0.2,
    cloud: 'gcp',
    region: 'europe-west1',
    stack: 'gigalixir-24',
  });
  for (const body of [{}, undefined]) {
    const generated = await create(body);
    expect(generated.status).toBe(201);
    expect(dataOf<{ unique_name: string }>(generated).unique_name).toMatch(
      /^[a-z]+-[a-z]+-[a-z]+$/,
    );
  }
  for (const unique_name of ['my-app', 'a', 'x'.repeat(49), 'a b/c', '-app', 7, '']) {
    const refused = await create({ unique_name });
    expect(refused.status).toBe(422);
    expect(refused.json.errors?.['']).toHaveLength(1);
  }
});

test('an app never gets an id under which the log has lines, as after a registry from a backup', async () => {
  const old = 3;
  const headOf = (app: AppId) =>
    Promise.resolve({ position: '0123456789abcdef-0-7-0', appSeq: app <= old ? 42 : 0 });
  await using api = await scratchController({ appHead: { headOf } });
  const auth = await api.account('a@ex.com');
  const made = await api.call('POST', '/api/apps', { auth, body: { unique_name: 'fresh' } });
  expect(made.status).toBe(201);
  expect(dataOf(await api.call('GET', '/api/apps', { auth }))).toHaveLength(1);
  const { fields } = api.logged.find(({ event }) => event === 'controller.app_created') ?? {};
  expect(fields).toMatchObject({ appId: old + 1 });
});

test('an app is not made while nobody can say whether its id is fresh', async () => {
  const headOf = () => Promise.reject(new DependencyError('BUS_UNAVAILABLE', 'no'));
  await using api = await scratchController({ appHead: { headOf } });
  const auth = await api.account('a@ex.com');
  const refused = await api.call('POST', '/api/apps', { auth, body: { unique_name: 'fresh' } });
  expect(refused.status).toBeGreaterThanOrEqual(500);
  expect(dataOf(await api.call('GET', '/api/apps', { auth }))).toEqual([]);
});

test('apps are listed and shown with what clients read, and destroyed for good', async () => {
  await using api = await scratchController();
  const auth = await api.account('a@ex.com');
  expect(dataOf(await api.call('GET', '/api/apps', { auth }))).toEqual([]);
  for (const unique_name of ['second', 'first']) {
    await api.call('POST', '/api/apps', { auth, body: { unique_name } });
  }
  const list = dataOf<{ unique_name: string }[]>(await api.call('GET', '/api/apps', { auth }));
  expect(list.map((app) => app.unique_name)).toEqual(['first', 'second']);
  const shown = await api.call('GET', '/api/apps/FIRST', { auth });
  expect(shown.status).toBe(200);
  expect(shown.json.data).toMatchObject({ unique_name: 'first', replicas: 1, owner: 'a@ex.com' });
  const destroyed = await api.call('DELETE', '/api/apps/first', { auth });
  expect(destroyed.status).toBe(200);
  expect(destroyed.json).toEqual({ data: 'deleted' });
  expect((await api.call('GET', '/api/apps/first', { auth })).status).toBe(401);
  const again = await api.call('POST', '/api/apps', { auth, body: { unique_name: 'first' } });
  expect(again.status).toBe(201);
});

test('an app of somebody else, one that does not exist and one that is gone look the same', async () => {
  await using api = await scratchController();
  const owner = await api.account('owner@ex.com');
  const stranger = await api.account('stranger@ex.com');
  await api.call('POST', '/api/apps', { auth: owner, body: { unique_name: 'theirs' } });
  await api.call('POST', '/api/apps', { auth: stranger, body: { unique_name: 'gone' } });
  await api.call('DELETE', '/api/apps/gone', { auth: stranger });
  const calls = [
    ['GET', ''],
    ['DELETE', ''],
    ['GET', '/permissions'],
    ['POST', '/permissions'],
    ['DELETE', '/permissions'],
    ['GET', '/drains'],
    ['POST', '/drains'],
    ['DELETE', '/drains'],
    ['GET', '/logplex_token'],
    ['POST', '/logplex_token/rotate'],
    ['GET', '/logs?num_lines=nonsense'],
  ] as const;
  for (const [method, path] of calls) {
    const answers = await Promise.all(
      ['theirs', 'nothing', 'gone', 'a%20b/c', "x'%20or%201=1"].map((app) =>
        api.call(method, `/api/apps/${app}${path}`, { auth: stranger }),
      ),
    );
    expect(answers.map(({ status }) => status)).toEqual([401, 401, 401, 404, 401]);
    expect(answers[0]?.text).toBe(answers[1]?.text);
    expect((await api.call(method, `/api/apps/theirs${path}`)).status).toBe(401);
  }
});

test('each role may do what it may', async () => {
  await using api = await scratchController();
  const owner = await api.account('owner@ex.com');
  const helper = await api.account('helper@ex.com');
  const viewer = await api.account('viewer@ex.com');
  await api.call('POST', '/api/apps', { auth: owner, body: { unique_name: 'app' } });
  const grant = (email: string, role?: string) =>
    api.call('POST', '/api/apps/app/permissions', { auth: owner, body: { email, role } });
  expect((await grant('helper@ex.com')).status).toBe(201);
  expect((await grant('viewer@ex.com', 'VIEWER')).status).toBe(201);
  expect((await grant('later@ex.com', 'COLLABORATOR')).status).toBe(201);
  const may = async (method: string, path: string, body?: unknown) => {
    const ask = async (auth: Credentials): Promise<number> =>
      (await api.call(method, `/api/apps/app${path}`, { auth, body })).status;
    return [await ask(viewer), await ask(helper), await ask(owner)];
  };
  expect(await may('GET', '')).toEqual([200, 200, 200]);
  expect(await may('GET', '/logs')).toEqual([200, 200, 200]);
  expect(await may('GET', '/drains')).toEqual([200, 200, 200]);
  expect(await may('GET', '/permissions')).toEqual([200, 200, 200]);
  expect(await may('POST', '/drains', { url: 'fake-url' })).toEqual([401, 422, 422]);
  expect(await may('DELETE', '/drains', { drain_id: '9' })).toEqual([401, 404, 404]);
  expect(await may('GET', '/logplex_token')).toEqual([401, 200, 200]);
  expect(await may('POST', '/logplex_token/rotate')).toEqual([401, 201, 201]);
  expect(await may('POST', '/permissions', { email: 'x@ex.com' })).toEqual([401, 401, 201]);
  expect(await may('DELETE', '/permissions', { email: 'x@ex.com' })).toEqual([401, 401, 200]);
  expect(await may('DELETE', '')).toEqual([401, 401, 200]);
});

test('permissions are listed by role, changed by adding again, and removed', async () => {
  await using api = await scratchController();
  const owner = await api.account('owner@ex.com');
  await api.call('POST', '/api/apps', { auth: owner, body: { unique_name: 'app' } });
  const path = '/api/apps/app/permissions';
  const grant = async (body: unknown): Promise<number> =>
    (await api.call('POST', path, { auth: owner, body })).status;
  expect(await grant({ email: 'b@ex.com', role: 'VIEWER' })).toBe(201);
  expect(await grant({ email: 'c@ex.com', role: 'VIEWER' })).toBe(201);
  expect(await grant({ email: 'B@ex.com', role: 'COLLABORATOR' })).toBe(201);
  expect(await grant({ email: 'd@ex.com', role: 'ADMIN' })).toBe(422);
  expect(await grant({ email: 'nobody' })).toBe(422);
  expect(await grant({ email: 'OWNER@ex.com' })).toBe(422);
  expect(dataOf(await api.call('GET', path, { auth: owner }))).toEqual({
    owner: 'owner@ex.com',
    collaborators: ['B@ex.com'],
    viewers: ['c@ex.com'],
  });
  const revoke = async (auth: Credentials, email: string): Promise<number> =>
    (await api.call('DELETE', path, { auth, body: { email } })).status;
  const invited = await api.account('c@ex.com');
  expect(dataOf(await api.call('GET', '/api/apps', { auth: invited }))).toHaveLength(1);
  expect(await revoke(invited, 'b@ex.com')).toBe(401);
  expect(await revoke(invited, 'C@ex.com')).toBe(200);
  expect((await api.call('GET', '/api/apps/app', { auth: invited })).status).toBe(401);
  expect(await revoke(owner, 'b@ex.com')).toBe(200);
  expect(await revoke(owner, 'b@ex.com')).toBe(404);
});

test('an app has a log token from the start, and rotating leaves the old one its grace', async () => {
  const clock = new FakeClock();
  await using api = await scratchController({ clock });
  const auth = await api.account('a@ex.com');
  await api.call('POST', '/api/apps', { auth, body: { unique_name: 'app' } });
  const path = '/api/apps/app/logplex_token';
  const first = dataOf<{ token: string; url: string }>(await api.call('GET', path, { auth }));
  expect(first.url).toBe('http://spillway.test/logs');
  expect(first.token).toMatch(/^t\.[0-9a-f-]{36}$/);
  const rotated = await api.call('POST', `${path}/rotate`, { auth });
  expect(rotated.status).toBe(201);
  const second = dataOf<{ token: string; url: string }>(rotated);
  expect(dataOf(await api.call('GET', path, { auth }))).toEqual(second);
  const good = async (token: string): Promise<boolean> =>
    (await api.registry.findToken(secretHash(token))) !== undefined;
  expect([await good(first.token), await good(second.token)]).toEqual([true, true]);
  await clock.advance(86_400_000);
  expect([await good(first.token), await good(second.token)]).toEqual([false, true]);
  for (const grace_seconds of [-1, 86_401, 'soon']) {
    const refused = await api.call('POST', `${path}/rotate`, { auth, body: { grace_seconds } });
    expect(refused.status).toBe(422);
  }
  await api.call('POST', `${path}/rotate`, { auth, body: { grace_seconds: 0 } });
  expect(await good(second.token)).toBe(false);
});

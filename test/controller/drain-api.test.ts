import { expect, test } from 'vitest';
import { dataOf, scratchController, type Scratch } from './scratch-controller.ts';

interface Shown {
  id: number;
  token: string;
  url: string;
}

interface Listed extends Shown {
  state: string;
  health: object | null;
}

test('a drain is added, listed masked, and removed by an id in either form', async () => {
  await using api = await scratchController();
  const { add, list, remove } = await withApp(api);
  const added = await add('https://user:pw@logs.ex.com/in?x=1#gzip');
  expect(added.status).toBe(201);
  await add('syslog+tls://logs.ex.com:6514');
  const drains = await list();
  expect(drains).toEqual([
    {
      id: 1,
      token: expect.stringMatching(/^d\.[0-9a-f-]{36}$/) as string,
      url: 'https://***:***@logs.ex.com/in?x=1',
      options: { gzip: true },
    },
    {
      id: 2,
      token: expect.stringMatching(/^d\.[0-9a-f-]{36}$/) as string,
      url: 'syslog+tls://logs.ex.com:6514',
    },
  ]);
  expect(added.json.data).toEqual(drains[0]);
  expect(await remove('1')).toBe(200);
  expect(await remove('1')).toBe(404);
  expect(await remove(2)).toBe(200);
  expect(await list()).toEqual([]);
});

test('a drain starts where the log ended when it was added, and carries its options', async () => {
  await using api = await scratchController();
  const { add, app } = await withApp(api);
  await add('https://user:pw@logs.ex.com/in#gzip');
  const [row] = await api.registry.listDrains();
  expect(row).toMatchObject({
    app,
    start: { position: `0123456789abcdef-0-7-${app}`, appSeq: 42 },
    options: { gzip: true },
  });
  expect(row?.url.reveal()).toBe('https://user:pw@logs.ex.com/in');
});

test('a URL may carry certificates', async () => {
  await using api = await scratchController();
  const { add } = await withApp(api);
  const certificate = 'A'.repeat(20_000);
  expect((await add(`https://logs.ex.com/#gzip&ca=${certificate}`)).status).toBe(201);
});

test('the same URL twice is 409, also with other options; a sixth drain is 422', async () => {
  await using api = await scratchController();
  const { add } = await withApp(api);
  for (const name of ['a', 'b', 'c', 'd', 'e']) {
    expect((await add(`https://${name}.ex.com/`)).status).toBe(201);
  }
  expect((await add('https://a.ex.com/#gzip')).status).toBe(409);
  const sixth = await add('https://f.ex.com/');
  expect(sixth.status).toBe(422);
  expect(sixth.json.errors?.[''][0]).toMatch(/maximum number of drains/);
});

test('what the gate refuses is 422 with its reasons', async () => {
  await using api = await scratchController();
  const { add, list } = await withApp(api);
  const refused = await add('fake-url');
  expect(refused.status).toBe(422);
  expect(refused.json).toEqual({ errors: { '': ['The scheme must be https or syslog+tls.'] } });
  for (const url of [undefined, '', 7, `https://${'x'.repeat(40_000)}`]) {
    expect((await add(url)).status).toBe(422);
  }
  expect(await list()).toEqual([]);
});

test('an id that is none, and that of another app, are 404; none at all is 422', async () => {
  await using api = await scratchController();
  const { add, remove, auth } = await withApp(api);
  await add('https://a.ex.com/');
  for (const id of ['0', '-1', 'one', '1.5', '99999999999999999999', {}, true]) {
    expect(await remove(id)).toBe(404);
  }
  expect(await remove(undefined)).toBe(422);
  await api.call('POST', '/api/apps', { auth, body: { unique_name: 'other' } });
  const body = { drain_id: 1 };
  const elsewhere = await api.call('DELETE', '/api/apps/other/drains', { auth, body });
  expect(elsewhere.status).toBe(404);
  expect(elsewhere.json.errors?.['']).toHaveLength(1);
});

test('no URL of a drain reaches the log', async () => {
  await using api = await scratchController();
  const { add, remove } = await withApp(api);
  await add('https://user:pa55word@logs.ex.com/in');
  await add('https://user:pa55word@logs.ex.com/in');
  await remove(1);
  expect(api.logged.map(({ event }) => event)).toContain('controller.drain_added');
  expect(JSON.stringify(api.logged)).not.toMatch(/pa55word|logs\.ex\.com/);
});

test('the list has state and health of each beside what the command line knows', async () => {
  await using api = await scratchController();
  const { add, auth } = await withApp(api);
  await add('https://logs.ex.com/in');
  const path = '/api/apps/app/drains';
  const [listed] = dataOf<Listed[]>(await api.call('GET', path, { auth }));
  expect(Object.keys(listed ?? {})).toEqual(['id', 'token', 'url', 'state', 'health']);
  const { state, ...rest } = dataOf<Listed>(await api.call('GET', `${path}/1`, { auth }));
  expect(listed?.state).toBe(state);
  expect(rest).toEqual({ id: 1, token: listed?.token, url: listed?.url, ...listed?.health });
});

test('one drain is shown with how it does, to those who may see the app', async () => {
  await using api = await scratchController();
  const { add, auth } = await withApp(api);
  await add('https://user:pw@logs.ex.com/in');
  const path = '/api/apps/app/drains/1';
  const shown = await api.call('GET', path, { auth });
  expect(shown.status).toBe(200);
  expect(dataOf(shown)).toEqual({
    id: 1,
    token: expect.stringMatching(/^d\./) as string,
    url: 'https://***:***@logs.ex.com/in',
    state: 'lagging',
    messages: { delivered: 5, filtered: 4, dropped: 3, lost: 2, refused: 1 },
    backlog: { messages: 7, bytes: 700, age_seconds: 61 },
    imbalance: 0,
    last_success: null,
    last_error: 'http_5xx',
    last_error_status: 502,
    last_error_at: '2026-01-01T00:00:00.000Z',
    next_retry: '2026-01-01T00:01:00.000Z',
    certificate: { issuer: 'R11', expires_at: '2026-06-01T00:00:00.000Z', problem: null },
    replay: {
      state: 'running',
      started_at: '2026-01-01T00:00:00.000Z',
      messages: { delivered: 9, filtered: 0, dropped: 0, lost: 0, refused: 0 },
      remaining: 3,
      last_error: null,
      next_retry: null,
    },
  });
  expect((await api.call('GET', '/api/apps/app/drains/2', { auth })).status).toBe(404);
  const stranger = await api.account('b@ex.com');
  expect((await api.call('GET', path, { auth: stranger })).status).toBe(401);
});

async function withApp(api: Scratch) {
  const auth = await api.account('a@ex.com');
  await api.call('POST', '/api/apps', { auth, body: { unique_name: 'app' } });
  const path = '/api/apps/app/drains';
  return {
    auth,
    app: 1,
    add: (url: unknown) => api.call('POST', path, { auth, body: { url } }),
    /** As added: what the list says of their condition is left out. */
    list: async () =>
      dataOf<Listed[]>(await api.call('GET', path, { auth })).map(
        ({ state: _state, health: _health, ...shown }): Shown => shown,
      ),
    remove: async (drain_id: unknown) =>
      (await api.call('DELETE', path, { auth, body: { drain_id } })).status,
  };
}

test('options come beside the URL too, and are shown without their secrets', async () => {
  await using api = await scratchController();
  const { auth, list } = await withApp(api);
  const options = { format: 'ndjson', client_key: 'pa55word' };
  const body = { url: 'https://logs.ex.com/in', options };
  const added = await api.call('POST', '/api/apps/app/drains', { auth, body });
  expect(added.status).toBe(201);
  expect(added.json.data).toMatchObject({ options: { format: 'ndjson', client_key: '***' } });
  expect(await list()).toEqual([added.json.data]);
  const [row] = await api.registry.listDrains();
  expect(row?.options).toEqual(options);
  expect(JSON.stringify(api.logged)).not.toContain('pa55word');
});

test('options that are no object are 422', async () => {
  await using api = await scratchController();
  const { auth, list } = await withApp(api);
  for (const options of ['gzip', 1, [], true]) {
    const body = { url: 'https://logs.ex.com/in', options };
    const refused = await api.call('POST', '/api/apps/app/drains', { auth, body });
    expect(refused.status).toBe(422);
  }
  expect(await list()).toEqual([]);
});

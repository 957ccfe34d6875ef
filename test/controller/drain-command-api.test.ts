import { expect, test } from 'vitest';
import { dataOf, scratchController, type Answer, type Scratch } from './scratch-controller.ts';

test('a pause and a resume are stored, waited for, and answered with the drain', async () => {
  await using api = await scratchController();
  const { call } = await withDrain(api);
  const paused = await call('POST', '/pause');
  expect(paused.status).toBe(200);
  expect(dataOf(paused)).toMatchObject({ id: 1, state: 'lagging', last_error_status: 502 });
  expect((await api.registry.listDrains())[0]).toMatchObject({ isPaused: true, resumes: 0 });
  expect((await call('POST', '/resume')).status).toBe(200);
  expect((await api.registry.listDrains())[0]).toMatchObject({ isPaused: false, resumes: 1 });
  expect(api.commands.asked).toEqual([
    ['settled', 1],
    ['settled', 1],
  ]);
});

test('options are changed by name and shown masked; what is wrong changes nothing', async () => {
  await using api = await scratchController();
  const { call } = await withDrain(api);
  const body = { options: { format: 'ndjson', client_key: 'secret' } };
  const changed = await call('PATCH', '', body);
  expect(changed.status).toBe(200);
  expect(dataOf(changed)).toMatchObject({ options: { format: 'ndjson', client_key: '***' } });
  const refused = await call('PATCH', '', { options: { gzip: 'maybe' } });
  expect([refused.status, refused.json.errors?.['']]).toEqual([
    422,
    ['option gzip must be 1 or 0'],
  ]);
  expect((await api.registry.listDrains())[0]?.options).toEqual(body.options);
  expect(JSON.stringify(api.logged)).not.toContain('secret');
});

test('nothing but options can be changed, and some have to be named', async () => {
  await using api = await scratchController();
  const { call } = await withDrain(api);
  const url = await call('PATCH', '', { url: 'https://other.ex.com/', options: { gzip: true } });
  expect(url.status).toBe(422);
  expect(url.json.errors?.[''][0]).toContain('"url"');
  for (const body of [undefined, {}, { options: {} }, { options: null }]) {
    expect((await call('PATCH', '', body)).status).toBe(422);
  }
  expect((await call('PATCH', '', { options: ['gzip'] })).status).toBe(422);
});

test('a test is answered with its steps; too many are refused', async () => {
  await using api = await scratchController();
  const { call } = await withDrain(api);
  const tested = await call('POST', '/test');
  expect(tested.status).toBe(200);
  expect(dataOf(tested)).toEqual({
    verdict: 'failed',
    mark: 'a-mark',
    steps: [
      { step: 'resolve', ok: true, ms: 3 },
      { step: 'connect', ok: false, error: 'timeout' },
    ],
    certificate: null,
  });
  api.commands.verdict = 'busy';
  const busy = await call('POST', '/test');
  expect([busy.status, busy.headers['retry-after']]).toEqual([429, '5']);
  api.commands.verdict = undefined;
  expect((await call('POST', '/test')).status).toBe(503);
  expect((await call('POST', '/test')).status).toBe(429);
  expect(api.commands.asked).toHaveLength(3);
});

test.each([
  [{ since: '2026-01-01T00:00:00Z' }, { sinceMs: Date.UTC(2026, 0, 1) }],
  [{ since: '2026-01-01T01:00:00.5+01:00' }, { sinceMs: Date.UTC(2026, 0, 1) + 500 }],
  [{ position: '0123456789abcdef-0-7-0' }, { position: '0123456789abcdef-0-7-0' }],
])('a replay begins at %o', async (body, from) => {
  await using api = await scratchController();
  const { call } = await withDrain(api);
  const started = await call('POST', '/replay', body);
  expect(started.status).toBe(202);
  expect(dataOf(started)).toMatchObject({ state: 'running', remaining: 3 });
  expect(api.commands.asked).toEqual([['replay', 1, from]]);
});

test('a replay that cannot be is refused with the reason', async () => {
  await using api = await scratchController();
  const { call } = await withDrain(api);
  for (const body of [
    undefined,
    {},
    { since: 'yesterday' },
    { since: '2026-01-01' },
    { since: '2026-13-01T00:00:00Z' },
    { since: '2026-02-30T00:00:00Z' },
    { since: 1_767_225_600 },
    { position: 7 },
    { since: '2026-01-01T00:00:00Z', position: 'p' },
  ]) {
    expect((await call('POST', '/replay', body)).status).toBe(422);
  }
  expect(api.commands.asked).toEqual([]);
  const since = '2026-01-01T00:00:00Z';
  for (const [answer, status] of [
    ['running', 409],
    ['resting', 409],
    ['no position', 422],
    ['busy', 429],
    [undefined, 503],
  ] as const) {
    api.commands.replay = answer;
    expect((await call('POST', '/replay', { since })).status).toBe(status);
  }
});

test('a replay is stopped, if there is one', async () => {
  await using api = await scratchController();
  const { call } = await withDrain(api);
  expect((await call('DELETE', '/replay')).status).toBe(200);
  api.commands.isReplaying = false;
  expect((await call('DELETE', '/replay')).status).toBe(404);
});

test.each([
  { method: 'POST', suffix: '/pause' },
  { method: 'POST', suffix: '/resume' },
  { method: 'POST', suffix: '/test' },
  { method: 'POST', suffix: '/replay', body: { since: '2026-01-01T00:00:00Z' } },
  { method: 'DELETE', suffix: '/replay' },
  { method: 'PATCH', suffix: '', body: { options: { gzip: true } } },
])(
  '$method $suffix is for those who may change the app, and for its own drains',
  async ({ method, suffix, body }) => {
    await using api = await scratchController();
    const { call, auth } = await withDrain(api);
    const viewer = await api.account('viewer@ex.com');
    await api.call('POST', '/api/apps/app/permissions', {
      auth,
      body: { email: 'viewer@ex.com', role: 'VIEWER' },
    });
    expect((await api.call('GET', '/api/apps/app/drains/1', { auth: viewer })).status).toBe(200);
    const path = `/api/apps/app/drains/1${suffix}`;
    for (const other of [undefined, viewer, await api.account('b@ex.com')]) {
      expect((await api.call(method, path, { auth: other, body })).status).toBe(401);
    }
    await api.call('POST', '/api/apps', { auth, body: { unique_name: 'other' } });
    const elsewhere = `/api/apps/other/drains/1${suffix}`;
    expect((await api.call(method, elsewhere, { auth, body })).status).toBe(404);
    expect(api.commands.asked).toEqual([]);
    expect((await call(method, suffix, body)).status).toBeLessThan(300);
  },
);

async function withDrain(api: Scratch) {
  const auth = await api.account('a@ex.com');
  await api.call('POST', '/api/apps', { auth, body: { unique_name: 'app' } });
  const path = '/api/apps/app/drains';
  await api.call('POST', path, { auth, body: { url: 'https://user:pw@logs.ex.com/in' } });
  return {
    auth,
    call: (method: string, suffix: string, body?: unknown): Promise<Answer> =>
      api.call(method, `${path}/1${suffix}`, { auth, body }),
  };
}

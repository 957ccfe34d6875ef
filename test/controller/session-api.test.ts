import { expect, test } from 'vitest';
import { DependencyError } from '../../src/core/errors.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { basic, controllerDefaults, dataOf, scratchController } from './scratch-controller.ts';

const special = 'p:a ss/w%rd+é"\'';
const keyShape = /^[0-9a-f]{8}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{4}-[0-9a-f]{12}$/;

test('a signup is a conversation that ends with a key', async () => {
  await using api = await scratchController();
  const step = (body: object) => api.call('POST', '/api/signup', { body });
  const opened = await step({ email: 'foo+x@ex.com' });
  expect(opened.status).toBe(200);
  const { uuid } = dataOf<{ uuid: string }>(opened);
  expect((await step({ uuid, confirmation_code: 'wrong' })).status).toBe(422);
  expect((await step({ uuid, password: special })).status).toBe(422);
  const code = await api.code('foo+x@ex.com');
  expect(api.announced.at(-1)).toMatch(
    new RegExp(`^mail to foo\\+x@ex.com: .*\\.eml, code ${code}$`),
  );
  expect((await step({ uuid, confirmation_code: code })).status).toBe(200);
  expect((await step({ uuid, tier: 'FREE' })).status).toBe(422);
  expect((await step({ uuid, password: 'short' })).status).toBe(422);
  expect((await step({ uuid, password: special })).status).toBe(200);
  expect((await step({ uuid, promo_code: 'NOPE' })).status).toBe(422);
  expect((await step({ uuid, tier: 'STANDARD' })).status).toBe(422);
  const done = await step({ uuid, tier: 'FREE' });
  expect(done.status).toBe(200);
  const { email, key } = dataOf<{ email: string; key: string }>(done);
  expect(email).toBe('foo+x@ex.com');
  expect(key).toMatch(keyShape);
  expect((await step({ uuid, tier: 'FREE' })).status).toBe(422);
  const auth = { user: email, password: key };
  expect(dataOf(await api.call('GET', '/api/users', { auth }))).toEqual({
    email: 'foo+x@ex.com',
    tier: 'FREE',
    credit_cents: 0,
  });
});

test('an address with an account gets the same answers, another mail, and no code that is right', async () => {
  await using api = await scratchController();
  await api.account('taken@ex.com');
  const opened = await api.call('POST', '/api/signup', { body: { email: 'TAKEN@ex.com' } });
  expect(opened.status).toBe(200);
  const { uuid } = dataOf<{ uuid: string }>(opened);
  expect((await api.mails('TAKEN@ex.com')).at(-1)).toContain('already have an account');
  const guess = { uuid, confirmation_code: '000000' };
  expect((await api.call('POST', '/api/signup', { body: guess })).status).toBe(422);
});

test('after five wrong codes, and after its time, the question for the code ends with 429', async () => {
  const clock = new FakeClock();
  await using api = await scratchController({ clock });
  const step = (body: object) => api.call('POST', '/api/signup', { body });
  const { uuid } = dataOf<{ uuid: string }>(await step({ email: 'a@ex.com' }));
  const statuses = [];
  for (let i = 0; i < 6; i++) statuses.push((await step({ uuid, confirmation_code: 'x' })).status);
  expect(statuses).toEqual([422, 422, 422, 422, 422, 429]);
  const code = await api.code('a@ex.com');
  expect((await step({ uuid, confirmation_code: code })).status).toBe(429);

  const second = dataOf<{ uuid: string }>(await step({ email: 'b@ex.com' }));
  await clock.advance(30 * 60_000);
  const late = { uuid: second.uuid, confirmation_code: await api.code('b@ex.com') };
  expect((await step(late)).status).toBe(429);
});

test('only so many mails go to one address', async () => {
  await using api = await scratchController();
  const statuses = [];
  for (let i = 0; i < 6; i++) {
    const answer = await api.call('POST', '/api/signup', { body: { email: 'a@ex.com' } });
    statuses.push(answer.status);
    if (answer.status === 429) expect(Number(answer.headers['retry-after'])).toBeGreaterThan(3000);
  }
  expect(statuses).toEqual([200, 200, 200, 200, 200, 429]);
});

test('a code can be sent again for a signup in progress', async () => {
  await using api = await scratchController();
  const opened = await api.call('POST', '/api/signup', { body: { email: 'a@ex.com' } });
  const { uuid } = dataOf<{ uuid: string }>(opened);
  const again = await api.call('PUT', '/api/users/reconfirm_email', {
    body: { email: 'a@ex.com' },
  });
  expect(again.status).toBe(200);
  const none = await api.call('PUT', '/api/users/reconfirm_email', { body: { email: 'b@ex.com' } });
  expect(none.text).toBe(again.text);
  await expect.poll(async () => (await api.mails('a@ex.com')).length).toBe(2);
  const codes = (await api.mails('a@ex.com')).map((mail) => /^\d{6}$/m.exec(mail)?.[0]);
  // Both mails may carry the same millisecond in their name; the newest code is the one that is right.
  const statuses = await Promise.all(
    codes.map(async (confirmation_code) => {
      const body = { uuid, confirmation_code };
      return (await api.call('POST', '/api/signup', { body })).status;
    }),
  );
  expect(statuses.toSorted((a, b) => a - b)).toEqual([200, 422]);
});

test('a login takes percent-encoded and raw credentials, and ends no other key', async () => {
  await using api = await scratchController();
  const first = await api.account('foo+x@ex.com', special);
  const encoded = {
    user: encodeURIComponent('foo+x@ex.com'),
    password: encodeURIComponent(special),
  };
  for (const auth of [encoded, { user: 'foo+x@ex.com', password: special }]) {
    const answer = await api.call('GET', '/api/login', { auth });
    expect(answer.status).toBe(200);
    const { key } = dataOf<{ key: string }>(answer);
    expect(key).toMatch(keyShape);
    expect(key).not.toBe(first.password);
    const next = { user: 'foo+x@ex.com', password: key };
    expect((await api.call('GET', '/api/users', { auth: next })).status).toBe(200);
  }
  expect((await api.call('GET', '/api/users', { auth: first })).status).toBe(200);
});

test('a key works with the address raw, encoded and in any case, but with no other address', async () => {
  await using api = await scratchController();
  const { password } = await api.account('foo+x@ex.com');
  const other = await api.account('other@ex.com');
  const status = async (user: string): Promise<number> =>
    (await api.call('GET', '/api/users', { auth: { user, password } })).status;
  expect(await status('foo+x@ex.com')).toBe(200);
  expect(await status('foo%2Bx%40ex.com')).toBe(200);
  expect(await status('FOO+X@ex.com')).toBe(200);
  expect(await status('foo x@ex.com')).toBe(401);
  expect(await status(other.user)).toBe(401);
  expect(await status('')).toBe(401);
});

test('a login that is wrong in any way is the same 401', async () => {
  await using api = await scratchController();
  await api.account('a@ex.com', 'correct horse');
  const answers = await Promise.all(
    [
      { user: 'a@ex.com', password: 'wrong horse' },
      { user: 'nobody@ex.com', password: 'correct horse' },
      { user: 'a', password: 'b' },
      'Bearer abc',
      undefined,
    ].map((auth) => api.call('GET', '/api/login', { auth })),
  );
  for (const answer of answers) {
    expect(answer.status).toBe(401);
    expect(answer.headers['www-authenticate']).toBe('Basic realm="Gigalixir"');
    expect(answer.headers.location).toBeUndefined();
    expect(answer.text).toBe(answers[0]?.text);
  }
});

test('guesses at a password are limited, ordinary calls and other accounts are not', async () => {
  const clock = new FakeClock();
  await using api = await scratchController({ clock });
  const auth = await api.account('a@ex.com', 'correct horse');
  await api.account('b@ex.com', 'correct horse');
  const login = async (user: string, password: string): Promise<number> =>
    (await api.call('GET', '/api/login', { auth: { user, password } })).status;
  const statuses = [];
  for (let i = 0; i < 11; i++) statuses.push(await login('A@ex.com', `guess ${i}`));
  expect(statuses).toEqual([...Array<number>(10).fill(401), 429]);
  expect(await login('a@ex.com', 'correct horse')).toBe(429);
  expect(await login('b@ex.com', 'correct horse')).toBe(200);
  expect((await api.call('GET', '/api/users', { auth })).status).toBe(200);
  const body = { current_password: 'correct horse', new_password: 'another horse' };
  expect((await api.call('PATCH', '/api/users/change_password', { auth, body })).status).toBe(429);
  await clock.advance(controllerDefaults.passwordAttempts.windowMs);
  expect(await login('a@ex.com', 'correct horse')).toBe(200);
  const limited = await api.metrics.getSingleMetricAsString('spillway_controller_limited_total');
  expect(limited).toContain('spillway_controller_limited_total{what="password"} 3');
});

test('regenerating ends every key; its password is form-decoded from the query and never logged', async () => {
  await using api = await scratchController();
  const first = await api.account('a@ex.com', special);
  const login = await api.call('GET', '/api/login', {
    auth: { user: 'a@ex.com', password: special },
  });
  const second = { user: 'a@ex.com', password: dataOf<{ key: string }>(login).key };
  const wrong = await api.call('POST', '/api/api_keys/regenerate?current_password=no', {
    auth: first,
  });
  expect(wrong.status).toBe(422);
  const query = new URLSearchParams({ current_password: special }).toString();
  expect(query).toContain('+');
  const done = await api.call('POST', `/api/api_keys/regenerate?${query}`, { auth: first });
  expect(done.status).toBe(201);
  const third = { user: 'a@ex.com', password: dataOf<{ key: string }>(done).key };
  const statuses = await Promise.all(
    [first, second, third].map(
      async (auth) => (await api.call('GET', '/api/users', { auth })).status,
    ),
  );
  expect(statuses).toEqual([401, 401, 200]);
  const logged = JSON.stringify(api.logged);
  expect(logged).toContain('/api/api_keys/regenerate');
  for (const secret of ['current_password', 'ss/w', 'ss%2Fw', third.password]) {
    expect(logged.includes(secret), secret).toBe(false);
  }
});

test('other ways to sign in say clearly that they are not there', async () => {
  await using api = await scratchController();
  const answers = await Promise.all([
    api.call('POST', '/api/oauth/google'),
    api.call('GET', '/api/oauth/google/session'),
    api.call('POST', '/api/signup', { body: { oauth: 'google' } }),
  ]);
  for (const { status, json } of answers) {
    expect(status).toBe(404);
    expect(json.errors?.[''][0]).toMatch(/not available/);
  }
});

test('a broken mail server is 503 for a signup', async () => {
  await using api = await scratchController({
    mailer: { send: () => Promise.reject(new DependencyError('MAIL_UNAVAILABLE', 'no')) },
  });
  const answer = await api.call('POST', '/api/signup', { body: { email: 'a@ex.com' } });
  expect(answer.status).toBe(503);
});

test('without a registry nobody is told that they are unknown', async () => {
  await using api = await scratchController();
  const auth = await api.account('a@ex.com');
  await api.registry.close(AbortSignal.timeout(1000));
  for (const path of ['/api/users', '/api/login', '/api/apps/x/logs']) {
    const answer = await api.call('GET', path, { headers: { authorization: basic(auth) } });
    expect(answer.status).toBe(503);
    expect(answer.headers['retry-after']).toBe('5');
    expect(answer.json.errors?.['']).toHaveLength(1);
  }
});

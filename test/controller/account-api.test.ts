import { expect, test } from 'vitest';
import { dataOf, scratchController, type Scratch } from './scratch-controller.ts';

test('a password is changed by whoever knows it; keys stay, the owner is told', async () => {
  await using api = await scratchController();
  const auth = await api.account('a@ex.com', 'correct horse');
  const change = (current_password: string, new_password: string) =>
    api.call('PATCH', '/api/users/change_password', {
      auth,
      body: { current_password, new_password },
    });
  expect((await change('wrong horse', 'another horse')).status).toBe(422);
  expect((await change('correct horse', 'short')).status).toBe(422);
  const done = await change('correct horse', 'pässwörd +%');
  expect(done.status).toBe(200);
  expect(dataOf<{ message: string }>(done).message).toBeTypeOf('string');
  expect(await login(api, 'a@ex.com', 'correct horse')).toBe(401);
  expect(await login(api, 'a@ex.com', 'pässwörd +%')).toBe(200);
  expect((await api.call('GET', '/api/users', { auth })).status).toBe(200);
  await expect.poll(async () => (await api.mails('a@ex.com')).at(-1)).toContain('was changed');
});

test('a forgotten password is set with a mailed token, once', async () => {
  await using api = await scratchController();
  await api.account('a@ex.com', 'correct horse');
  const asked = await api.call('PUT', '/api/users/reset_password', { body: { email: 'A@ex.com' } });
  const unknown = await api.call('PUT', '/api/users/reset_password', {
    body: { email: 'b@ex.com' },
  });
  expect(asked.status).toBe(200);
  expect(unknown.text).toBe(asked.text);
  await expect.poll(async () => (await api.mails('a@ex.com')).length).toBe(2);
  expect(await api.mails('b@ex.com')).toEqual([]);
  const token = await api.code('a@ex.com');
  const set = (given: string, password: string) =>
    api.call('POST', '/api/users/reset_password', { body: { token: given, password } });
  expect((await set(token, 'short')).status).toBe(422);
  expect((await set('0'.repeat(32), 'another horse')).status).toBe(422);
  expect((await set(token, 'another horse')).status).toBe(200);
  expect((await set(token, 'a third horse')).status).toBe(422);
  expect(await login(api, 'a@ex.com', 'another horse')).toBe(200);
});

test('a new address counts once its owner confirms it, and the old one can take it back', async () => {
  await using api = await scratchController();
  const auth = await api.account('old@ex.com', 'correct horse');
  const ask = (current_password: string) =>
    api.call('POST', '/api/users/email', {
      auth,
      body: { next_email: 'new@ex.com', current_password },
    });
  expect((await ask('wrong horse')).status).toBe(422);
  expect((await ask('correct horse')).status).toBe(200);
  await expect.poll(async () => (await api.mails('old@ex.com')).length).toBe(2);
  expect(await login(api, 'old@ex.com', 'correct horse')).toBe(200);
  const confirm = linkIn((await api.mails('new@ex.com')).at(-1));
  const revoke = linkIn((await api.mails('old@ex.com')).find((mail) => mail.includes('revoke')));

  const page = await api.call('GET', confirm);
  expect(page.status).toBe(200);
  expect(page.headers['content-type']).toBe('text/html; charset=utf-8');
  expect(page.headers['content-security-policy']).toContain("default-src 'none'");
  expect(await login(api, 'old@ex.com', 'correct horse')).toBe(200);

  const form = { headers: { 'content-type': 'application/x-www-form-urlencoded' } };
  expect((await api.call('POST', confirm, form)).status).toBe(200);
  expect((await api.call('POST', confirm, form)).status).toBe(422);
  expect(await login(api, 'old@ex.com', 'correct horse')).toBe(401);
  expect(await login(api, 'new@ex.com', 'correct horse')).toBe(200);

  expect((await api.call('POST', revoke, form)).status).toBe(200);
  expect(await login(api, 'old@ex.com', 'correct horse')).toBe(200);
});

test('an address that is taken is not told to whoever wants it', async () => {
  await using api = await scratchController();
  const auth = await api.account('a@ex.com', 'correct horse');
  await api.account('taken@ex.com');
  const ask = (next_email: string) =>
    api.call('POST', '/api/users/email', {
      auth,
      body: { next_email, current_password: 'correct horse' },
    });
  expect((await ask('taken@ex.com')).text).toBe((await ask('free@ex.com')).text);
  await expect.poll(async () => (await api.mails('taken@ex.com')).length).toBe(2);
  expect((await api.mails('taken@ex.com')).join('')).not.toContain('/confirm?');
});

test('an account ends with its password, its own address, and no apps left', async () => {
  await using api = await scratchController();
  const auth = await api.account('a@ex.com', 'correct horse');
  await api.call('POST', '/api/apps', { auth, body: { unique_name: 'mine' } });
  const destroy = async (email: string, current_password: string): Promise<number> => {
    const body = { email, current_password };
    return (await api.call('DELETE', '/api/users/destroy', { auth, body })).status;
  };
  expect(await destroy('b@ex.com', 'correct horse')).toBe(422);
  expect(await destroy('a@ex.com', 'wrong horse')).toBe(422);
  expect(await destroy('a@ex.com', 'correct horse')).toBe(422);
  await api.call('DELETE', '/api/apps/mine', { auth });
  expect(await destroy('a@ex.com', 'correct horse')).toBe(200);
  expect((await api.call('GET', '/api/users', { auth })).status).toBe(401);
  const again = await api.account('a@ex.com', 'a new horse');
  expect((await api.call('GET', '/api/users', { auth: again })).status).toBe(200);
});

test('ssh keys are listed, added once, and removed by an id in either form', async () => {
  await using api = await scratchController();
  const auth = await api.account('a@ex.com');
  const other = await api.account('b@ex.com');
  const list = async () =>
    dataOf<{ id: number; key: string }[]>(await api.call('GET', '/api/ssh_keys', { auth }));
  expect(await list()).toEqual([]);
  const key = `ssh-ed25519 ${'A'.repeat(68)} me@my box`;
  const add = (ssh_key: string) => api.call('POST', '/api/ssh_keys', { auth, body: { ssh_key } });
  expect((await add(`${key}\n`)).status).toBe(201);
  expect((await add(key)).status).toBe(422);
  expect((await add(`ecdsa-sha2-nistp256 ${'B'.repeat(140)}=`)).status).toBe(201);
  const bad = ['', 'ssh-rsa', `command="rm" ${key}`, `${key}\n${key}`, 'A'.repeat(20_000)];
  for (const ssh_key of bad) expect((await add(ssh_key)).status).toBe(422);
  const [first, second] = await list();
  expect(first).toEqual({ id: expect.any(Number) as number, key });
  expect(second?.key).toMatch(/^ecdsa-sha2-nistp256 B+=$/);
  const remove = async (id: unknown, by = auth): Promise<number> =>
    (await api.call('DELETE', '/api/ssh_keys', { auth: by, body: { id } })).status;
  expect(await remove(String(first?.id), other)).toBe(404);
  expect(await remove(String(first?.id))).toBe(200);
  expect(await remove(String(first?.id))).toBe(404);
  expect(await remove('one')).toBe(404);
  expect(await remove(second?.id)).toBe(200);
  expect(await list()).toEqual([]);
});

async function login(api: Scratch, user: string, password: string): Promise<number> {
  return (await api.call('GET', '/api/login', { auth: { user, password } })).status;
}

/** The path and query of the link in a mail. */
function linkIn(mail: string | undefined): string {
  const match = /^http:\/\/spillway\.test(\/\S+)$/m.exec(mail ?? '');
  if (!match?.[1]) throw new Error(`no link in: ${mail}`);
  return match[1];
}

import { mkdtemp, readdir, readFile, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test } from 'vitest';
import { systemChance as chance } from '../../../src/core/chance.ts';
import type { AppId } from '../../../src/core/ids.ts';
import type { Logger } from '../../../src/core/logger.ts';
import { Secret } from '../../../src/core/secret.ts';
import { KeyRing } from '../../../src/registry/key-ring.ts';
import type {
  AppRow,
  DrainRow,
  Registry,
  RegistryChange,
  UserRow,
} from '../../../src/registry/registry.ts';
import { secretHash } from '../../../src/registry/secret-hash.ts';
import {
  openSqlRegistry,
  type SqlRegistryOptions,
} from '../../../src/registry/sql/sql-registry.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { registryOptions } from '../../support/registry-options.ts';

const spec = {
  url: 'https://user:pa55word@logs.example.com/in?key=hidden',
  masked: 'https://***:***@logs.example.com/in?key=***',
  options: { headers: { 'x-key': 'also-hidden' } },
};
const start = { position: '0123456789abcdef-0-7-3', appSeq: 42 };

test('finds a token by its hash, and says no to any other', async () => {
  const { registry, app } = await withApp();
  const token = await currentToken(registry, app.id);
  expect(token).toMatch(/^t\.[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/);
  await expect(registry.findToken(secretHash(token))).resolves.toEqual({
    app: app.id,
    appName: 'first-app',
  });
  await expect(registry.findToken(secretHash(`${token}x`))).resolves.toBeUndefined();
});

test('a rotated token stays good for the grace, the newest for ever', async () => {
  const { registry, app, clock } = await withApp();
  const old = await currentToken(registry, app.id);
  const fresh = (await registry.logTokens.rotate(app.id, 1000))?.reveal() ?? '';
  expect(await currentToken(registry, app.id)).toBe(fresh);
  await clock.advance(999);
  expect(await registry.findToken(secretHash(old))).toBeDefined();
  await clock.advance(1);
  expect(await registry.findToken(secretHash(old))).toBeUndefined();
  expect(await registry.findToken(secretHash(fresh))).toBeDefined();
});

test('a later rotation with a longer grace does not prolong an earlier one', async () => {
  const { registry, app, clock } = await withApp();
  const old = await currentToken(registry, app.id);
  await registry.logTokens.rotate(app.id, 1000);
  await registry.logTokens.rotate(app.id, 60_000);
  await clock.advance(1000);
  expect(await registry.findToken(secretHash(old))).toBeUndefined();
});

test('a rotation without grace ends the others at once, and their number is bounded', async () => {
  const { registry, app } = await withApp({ logTokensPerAppMax: 3 });
  const tokens = [await currentToken(registry, app.id)];
  for (let i = 0; i < 4; i++) {
    tokens.push((await registry.logTokens.rotate(app.id, 60_000))?.reveal() ?? '');
  }
  expect(await good(registry, tokens)).toEqual([false, false, true, true, true]);
  const last = await registry.logTokens.rotate(app.id, 0);
  expect(await good(registry, tokens)).toEqual([false, false, false, false, false]);
  expect(await good(registry, [last?.reveal() ?? ''])).toEqual([true]);
});

test('stores drains and hands them out whole, also after a restart', async () => {
  const { registry, app, reopen } = await withApp();
  const added = (await registry.drains.add(app.id, spec, start)) as DrainRow;
  expect(added.token).toMatch(/^d\.[0-9a-f-]{36}$/);
  await registry.close(AbortSignal.timeout(1000));
  const [found] = await (await reopen()).listDrains();
  expect(found).toEqual({ ...added, url: expect.any(Secret) as Secret });
  expect(found?.url.reveal()).toBe(spec.url);
  expect(found).toMatchObject({ options: spec.options, start, masked: spec.masked });
});

test('a list of all drains opens those that have changed, and no others', async () => {
  const { registry, app } = await withApp();
  const names = ['a', 'b'];
  for (const name of names) {
    await registry.drains.add(app.id, { ...spec, url: `https://${name}.example.com/` }, start);
  }
  const [a, b] = await registry.listDrains();
  if (!a || !b) throw new Error('no drains');
  await registry.drains.pause(app.id, b.id);
  const [sameA, otherB] = await registry.listDrains();
  expect(sameA).toBe(a);
  expect(otherB).toMatchObject({ id: b.id, isPaused: true });
  await registry.drains.remove(app.id, a.id);
  expect((await registry.listDrains()).map(({ id }) => id)).toEqual([b.id]);
});

test('refuses the same URL twice and more drains than allowed, and says which', async () => {
  const { registry, app } = await withApp();
  const add = (name: string): Promise<DrainRow | string> =>
    registry.drains.add(app.id, { ...spec, url: `https://${name}.example.com/` }, start);
  for (const name of ['a', 'b', 'c', 'd']) await add(name);
  await expect(add('a')).resolves.toBe('duplicate');
  await add('e');
  await expect(add('e')).resolves.toBe('duplicate');
  await expect(add('f')).resolves.toBe('full');
});

test('many additions at once stay within the bound', async () => {
  const { registry, app } = await withApp();
  const outcomes = await Promise.all(
    Array.from({ length: 12 }, (_, i) =>
      registry.drains.add(app.id, { ...spec, url: `https://${i}.example.com/` }, start),
    ),
  );
  expect(outcomes.filter((outcome) => typeof outcome !== 'string')).toHaveLength(5);
  await expect(registry.listDrains()).resolves.toHaveLength(5);
});

test('ids of drains and apps are never given out twice', async () => {
  const { registry, user, app } = await withApp();
  const first = (await registry.drains.add(app.id, spec, start)) as DrainRow;
  await registry.drains.remove(app.id, first.id);
  const second = (await registry.drains.add(app.id, spec, start)) as DrainRow;
  expect(second.id).toBe(first.id + 1);
  await registry.apps.destroy(app.id);
  const again = await newApp(registry, user, app.name);
  expect(again.id).toBe(app.id + 1);
});

test('a destroyed app takes its tokens, drains and permissions along, and frees its name', async () => {
  const { registry, user, app } = await withApp();
  const token = await currentToken(registry, app.id);
  await registry.drains.add(app.id, spec, start);
  await registry.apps.grant(app.id, 'friend@example.com', 'VIEWER');
  await registry.apps.destroy(app.id);
  expect(await registry.findToken(secretHash(token))).toBeUndefined();
  expect(await registry.listDrains()).toEqual([]);
  expect(await registry.apps.findFor(user, app.name)).toBeUndefined();
  await expect(registry.drains.add(app.id, spec, start)).resolves.toBe('gone');
  await expect(registry.logTokens.rotate(app.id, 0)).resolves.toBeUndefined();
  const again = await newApp(registry, user, app.name);
  expect(await registry.apps.permissions(again.id)).toEqual([]);
});

test('tells of every change after it is stored, and not of what changed nothing', async () => {
  const { registry, user, app } = await withApp();
  const seen: RegistryChange[] = [];
  const stop = registry.onChange((change) => void seen.push(change));
  const drain = (await registry.drains.add(app.id, spec, start)) as DrainRow;
  await registry.drains.add(app.id, spec, start);
  await registry.drains.remove(app.id, (drain.id + 1) as DrainRow['id']);
  await registry.apps.grant(app.id, 'friend@example.com', 'VIEWER');
  await registry.logTokens.rotate(app.id, 0);
  await registry.users.addKey(user.id, new Secret('key-2'));
  await registry.apps.destroy(app.id);
  stop();
  await newApp(registry, user, 'unheard');
  expect(seen).toEqual([
    { kind: 'drain', drain: drain.id },
    { kind: 'access', app: app.id },
    { kind: 'token' },
    { kind: 'key', user: user.id },
    { kind: 'drain', drain: drain.id },
    { kind: 'token' },
    { kind: 'access', app: app.id },
    { kind: 'app', app: app.id },
  ]);
});

test('nothing that lets anybody in is on the disk in clear', async () => {
  const { registry, user, app, directory } = await withApp();
  const token = await currentToken(registry, app.id);
  await registry.drains.add(app.id, spec, start);
  await registry.users.addKey(user.id, new Secret('the-api-key'));
  const mailed = { kind: 'password_reset', user: user.id, email: '', expiresAtMs: 9e15 } as const;
  await registry.users.addMailToken(new Secret('the-mailed-token'), mailed);
  const signup = { email: 'new@example.com', code: new Secret('739153'), expiresAtMs: 9e15 };
  await registry.signups.open(signup);
  const stored = await everything(directory);
  expect(stored).toContain('first-app');
  for (const secret of [token, 'pa55word', 'hidden', 'the-api-key', 'the-mailed-token', '739153']) {
    expect(stored.includes(secret), secret).toBe(false);
  }
});

test('a drain whose secrets cannot be opened is left out and logged; the others are not affected', async () => {
  const { registry, app, directory, logged } = await withApp();
  const broken = (await registry.drains.add(app.id, spec, start)) as DrainRow;
  const whole = (await registry.drains.add(
    app.id,
    { ...spec, url: 'https://b/' },
    start,
  )) as DrainRow;
  const database = new DatabaseSync(join(directory, 'registry.db'));
  database.exec(`update drains set url_sealed = 'AQ==' where id = ${broken.id}`);
  database.close();
  expect((await registry.listDrains()).map(({ id }) => id)).toEqual([whole.id]);
  expect(logged).toContain('registry.drain_unreadable');
});

test('a drain whose row is damaged while it is known stays as it was: it has not been removed', async () => {
  const { registry, app, directory } = await withApp();
  await registry.drains.add(app.id, spec, start);
  const [known] = await registry.listDrains();
  const database = new DatabaseSync(join(directory, 'registry.db'));
  database.exec(`update drains set url_sealed = 'AQ=='`);
  database.close();
  expect(await registry.listDrains()).toEqual([known]);
});

test('a lost or exchanged key file shows at the start', async () => {
  const { registry, directory, options } = await withApp();
  await registry.close(AbortSignal.timeout(1000));
  const opening = openSqlRegistry(
    { ...options, file: join(directory, 'registry.db') },
    { keyRing: newRing(), clock: new FakeClock(), chance, logger: recorder([]) },
  );
  await expect(opening).rejects.toMatchObject({ code: 'KEY_INVALID' });
});

test('a registry of a later version is refused', async () => {
  const { registry, directory, reopen } = await withApp();
  await registry.close(AbortSignal.timeout(1000));
  const database = new DatabaseSync(join(directory, 'registry.db'));
  database.exec(`insert into kysely_migration values ('9999-later', '2999-01-01')`);
  database.close();
  await expect(reopen()).rejects.toMatchObject({ code: 'FORMAT_TOO_NEW' });
});

test('a first start that ended between two tables is as if it had not begun', async () => {
  const { directory, options, registry } = await withApp();
  await registry.close(AbortSignal.timeout(1000));
  const file = join(directory, 'half.db');
  const database = new DatabaseSync(file);
  // Is in the way of the second table.
  database.exec('create table users (id integer)');
  const parts = { keyRing: newRing(), clock: new FakeClock(), chance, logger: recorder([]) };
  await expect(openSqlRegistry({ ...options, file }, parts)).rejects.toThrow(/already exists/);
  database.exec('drop table users');
  database.close();
  const opened = await openSqlRegistry({ ...options, file }, parts);
  await opened.close(AbortSignal.timeout(1000));
});

test('a file that is no database is refused as damaged, by its name', async () => {
  const { registry, directory, reopen } = await withApp();
  await registry.close(AbortSignal.timeout(1000));
  await writeFile(
    join(directory, 'registry.db'),
    'not a database, but long enough to look like one',
  );
  await expect(reopen()).rejects.toMatchObject({ code: 'REGISTRY_DAMAGED', retryable: false });
  await expect(reopen()).rejects.toThrow(join(directory, 'registry.db'));
});

test('what cannot be judged now is never a no, and shows as a problem until it can', async () => {
  const { registry, app, directory } = await withApp({ busyMsMax: 1 });
  expect(registry.problem()).toBeUndefined();
  const other = new DatabaseSync(join(directory, 'registry.db'));
  other.exec('begin immediate');
  await expect(registry.logTokens.rotate(app.id, 0)).rejects.toMatchObject({
    code: 'REGISTRY_UNAVAILABLE',
  });
  expect(registry.problem()).toBe('database is locked');
  other.exec('rollback');
  other.close();
  await expect(registry.logTokens.rotate(app.id, 0)).resolves.toBeDefined();
  expect(registry.problem()).toBeUndefined();
  await registry.close(AbortSignal.timeout(1000));
  await expect(registry.findToken(Buffer.alloc(32))).rejects.toMatchObject({
    code: 'REGISTRY_UNAVAILABLE',
  });
});

test('commits are written through, by a log that survives kill -9', async () => {
  const { directory } = await withApp();
  const files = await readdir(directory);
  expect(files.toSorted()).toEqual(['registry.db', 'registry.db-shm', 'registry.db-wal']);
});

test('the keys of a user are bounded: the oldest end', async () => {
  const { registry, user } = await withApp({ apiKeysPerUserMax: 2 });
  for (const key of ['two', 'three']) await registry.users.addKey(user.id, new Secret(key));
  const found = await Promise.all(
    ['one', 'two', 'three'].map((key) => registry.users.findByKey(secretHash(key))),
  );
  expect(found.map((row) => row?.id)).toEqual([undefined, user.id, user.id]);
});

test('a mailed token is good once, until it expires, and only the newest of its kind', async () => {
  const { registry, user, clock } = await withApp();
  const { users } = registry;
  const about = {
    kind: 'password_reset',
    user: user.id,
    email: '',
    expiresAtMs: clock.nowMs() + 1000,
  } as const;
  await users.addMailToken(new Secret('first'), about);
  await users.addMailToken(new Secret('second'), about);
  expect(await users.takeMailToken(new Secret('first'), 'password_reset')).toBeUndefined();
  expect(await users.takeMailToken(new Secret('second'), 'email_confirm')).toBeUndefined();
  expect(await users.takeMailToken(new Secret('second'), 'password_reset')).toEqual(about);
  expect(await users.takeMailToken(new Secret('second'), 'password_reset')).toBeUndefined();
  await users.addMailToken(new Secret('third'), about);
  await clock.advance(1000);
  expect(await users.takeMailToken(new Secret('third'), 'password_reset')).toBeUndefined();
});

test('every link that takes an address back stays good, however often it is changed', async () => {
  const { registry, user } = await withApp();
  const about = { kind: 'email_revoke', user: user.id, email: 'a@b', expiresAtMs: 9e15 } as const;
  await registry.users.addMailToken(new Secret('owner'), about);
  await registry.users.addMailToken(new Secret('thief'), { ...about, email: 'thief@b' });
  expect(await registry.users.takeMailToken(new Secret('owner'), 'email_revoke')).toEqual(about);
});

test('permissions follow an address that changes, and end with its account', async () => {
  const { registry, app } = await withApp();
  const friend = await newUser(registry, 'friend@example.com', 'friend-key');
  await registry.apps.grant(app.id, 'Friend@Example.com', 'COLLABORATOR');
  await registry.apps.grant(app.id, 'pal@example.com', 'VIEWER');
  expect(await registry.users.setEmail(friend.id, 'Pal@example.com')).toBe(true);
  expect(await registry.apps.permissions(app.id)).toEqual([
    { email: 'pal@example.com', role: 'VIEWER' },
  ]);
  expect(await registry.users.setEmail(friend.id, 'owner@example.com')).toBe(false);
  expect(await registry.users.setEmail(friend.id, 'PAL@example.com')).toBe(true);
  expect(await registry.users.destroy(friend.id)).toBe(true);
  expect(await registry.apps.permissions(app.id)).toEqual([]);
  expect(await registry.users.findByKey(secretHash('friend-key'))).toBeUndefined();
});

test('an owner of apps cannot be destroyed; the owner of destroyed ones can', async () => {
  const { registry, user, app } = await withApp();
  expect(await registry.users.destroy(user.id)).toBe(false);
  await registry.apps.destroy(app.id);
  expect(await registry.users.destroy(user.id)).toBe(true);
});

test('a code can be tried a few times only, also all at once, and a new one gives no more', async () => {
  const { registry } = await withApp();
  const { signups } = registry;
  const email = 'new@example.com';
  const uuid = await signups.open({ email, code: new Secret('111111'), expiresAtMs: 9e15 });
  const guess = (code: string): Promise<string> => signups.tryCode(uuid, new Secret(code));
  await expect(Promise.all(['0', '1', '2'].map(guess))).resolves.toEqual([
    'wrong',
    'wrong',
    'wrong',
  ]);
  expect(await signups.renewCode(email, new Secret('222222'), 9e15)).toBe(true);
  await expect(guess('111111')).resolves.toBe('wrong');
  await expect(guess('222222')).resolves.toBe('confirmed');
  await expect(guess('222222')).resolves.toBe('exhausted');
  expect(await signups.renewCode(email, new Secret('333333'), 9e15)).toBe(false);
});

test('two signups for one address make one account', async () => {
  const { registry } = await withApp();
  const { signups } = registry;
  const uuids: string[] = [];
  for (let i = 0; i < 2; i++) {
    const email = i === 0 ? 'twin@example.com' : 'TWIN@example.com';
    const uuid = await signups.open({ email, code: new Secret('1'), expiresAtMs: 9e15 });
    await signups.tryCode(uuid, new Secret('1'));
    await signups.setPassword(uuid, 'hash');
    uuids.push(uuid);
  }
  const users = await Promise.all(
    uuids.map((uuid, i) => signups.finish(uuid, 'FREE', new Secret(`twin-${i}`))),
  );
  expect(users.filter((row) => row !== undefined)).toHaveLength(1);
});

interface Fixture {
  readonly registry: Registry;
  readonly user: UserRow;
  readonly app: AppRow;
  readonly clock: FakeClock;
  readonly directory: string;
  readonly options: Omit<SqlRegistryOptions, 'file'>;
  readonly logged: string[];
  readonly reopen: () => Promise<Registry>;
}

async function withApp(overrides: Partial<SqlRegistryOptions> = {}): Promise<Fixture> {
  const directory = await mkdtemp(join(tmpdir(), 'spillway-registry-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const options = { ...registryOptions, ...overrides };
  const clock = new FakeClock();
  const logged: string[] = [];
  const parts = { keyRing: newRing(), clock, chance, logger: recorder(logged) };
  const reopen = (): Promise<Registry> =>
    openSqlRegistry({ ...options, file: join(directory, 'registry.db') }, parts);
  const registry = await reopen();
  const user = await newUser(registry, 'owner@example.com', 'one');
  const app = await newApp(registry, user, 'first-app');
  return { registry, user, app, clock, directory, options, logged, reopen };
}

async function newUser(registry: Registry, email: string, key: string): Promise<UserRow> {
  const uuid = await registry.signups.open({ email, code: new Secret('1'), expiresAtMs: 9e15 });
  await registry.signups.tryCode(uuid, new Secret('1'));
  await registry.signups.setPassword(uuid, 'hash');
  const user = await registry.signups.finish(uuid, 'FREE', new Secret(key));
  if (!user) throw new Error('no user');
  return user;
}

async function newApp(registry: Registry, user: UserRow, name: string): Promise<AppRow> {
  const place = { cloud: 'gcp', region: 'here', stack: 'new' };
  const app = await registry.apps.create({ ...place, name, owner: user.id });
  if (typeof app === 'string') throw new Error(app);
  return app;
}

async function currentToken(registry: Registry, app: AppId): Promise<string> {
  return (await registry.logTokens.current(app))?.reveal() ?? '';
}

async function good(registry: Registry, tokens: readonly string[]): Promise<boolean[]> {
  const owners = await Promise.all(tokens.map((token) => registry.findToken(secretHash(token))));
  return owners.map((owner) => owner !== undefined);
}

async function everything(directory: string): Promise<string> {
  const names = await readdir(directory);
  const files = await Promise.all(names.map((name) => readFile(join(directory, name), 'latin1')));
  return files.join('\n');
}

function newRing(): KeyRing {
  return new KeyRing({ keys: [{ id: 'aaaaaaaa', bytes: chance.bytes(32) }] }, { chance });
}

function recorder(events: string[]): Logger {
  const record = (_fields: object, event: string): void => void events.push(event);
  return { debug: record, info: record, warn: record, error: record };
}

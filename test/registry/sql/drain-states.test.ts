import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, onTestFinished, test } from 'vitest';
import { systemChance } from '../../../src/core/chance.ts';
import { appId, drainId, type AppId, type DrainId } from '../../../src/core/ids.ts';
import { Secret } from '../../../src/core/secret.ts';
import { KeyRing } from '../../../src/registry/key-ring.ts';
import type { DrainRow, Registry, RegistryChange } from '../../../src/registry/registry.ts';
import { openSqlRegistry } from '../../../src/registry/sql/sql-registry.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { registryOptions } from '../../support/registry-options.ts';
import { silentLogger } from '../../support/silent-logger.ts';

test('a pause and its end are durable, and everybody is told', async () => {
  const { drains, drain, changes, reopened } = await withDrain();
  expect(drain).toMatchObject({ isPaused: false, resumes: 0 });
  expect(await drains.pause(drain.app, drain.id)).toMatchObject({ isPaused: true, resumes: 0 });
  expect(await reopened()).toMatchObject({ isPaused: true, resumes: 0 });
  await drains.resume(drain.app, drain.id);
  expect(await reopened()).toMatchObject({ isPaused: false, resumes: 1 });
  expect(changes).toEqual([
    { kind: 'drain', drain: drain.id },
    { kind: 'drain', drain: drain.id },
  ]);
});

test('each resume counts, also of a drain that is not paused', async () => {
  const { drains, drain, reopened } = await withDrain();
  await Promise.all([1, 2, 3].map(() => drains.resume(drain.app, drain.id)));
  expect((await reopened()).resumes).toBe(3);
});

test('options take the place of the old ones, sealed; everything else stays', async () => {
  const { drains, drain, reopened } = await withDrain();
  const changed = await drains.setOptions(drain.app, drain.id, (row) => ({
    ...row.options,
    sd: '[token@1 t="5ecret"]',
  }));
  const wanted = { ...drain, options: { gzip: true, sd: '[token@1 t="5ecret"]' } };
  expect(reveal(changed as DrainRow)).toEqual(reveal(wanted));
  expect(reveal(await reopened())).toEqual(reveal(wanted));
});

test('changes of options at once do not undo each other', async () => {
  const { drains, drain, reopened } = await withDrain();
  await Promise.all(
    ['a', 'b', 'c'].map((name) =>
      drains.setOptions(drain.app, drain.id, (row) => ({ ...row.options, [name]: 1 })),
    ),
  );
  expect((await reopened()).options).toEqual({ gzip: true, a: 1, b: 1, c: 1 });
});

test('options that are not to be changed stay, and nobody is told', async () => {
  const { drains, drain, changes, reopened } = await withDrain();
  expect(await drains.setOptions(drain.app, drain.id, () => undefined)).toBe('kept');
  expect((await reopened()).options).toEqual({ gzip: true });
  expect(changes).toEqual([]);
});

test('nothing is changed at a drain of another app, or one that is gone', async () => {
  const { drains, drain, changes } = await withDrain();
  const places: [AppId, DrainId][] = [
    [appId(drain.app + 1), drain.id],
    [drain.app, drainId(drain.id + 1)],
  ];
  for (const [app, id] of places) {
    expect(await drains.pause(app, id)).toBeUndefined();
    expect(await drains.resume(app, id)).toBeUndefined();
    expect(await drains.setOptions(app, id, () => ({}))).toBeUndefined();
  }
  expect(changes).toEqual([]);
});

test('a registry from before there were pauses is brought up to date', async () => {
  const { file, reopened } = await withDrain();
  const old = new DatabaseSync(file);
  old.exec(`ALTER TABLE drains DROP COLUMN paused_at_ms;
            ALTER TABLE drains DROP COLUMN resumes;
            DELETE FROM kysely_migration WHERE name = '0003-drain-states'`);
  old.close();
  expect(await reopened()).toMatchObject({ isPaused: false, resumes: 0, options: { gzip: true } });
});

test('an app is found with its owner, until it is destroyed', async () => {
  const { registry, drain } = await withDrain();
  expect(await registry.apps.find(drain.app)).toMatchObject({ name: 'demo', owner: 'a@ex.com' });
  await registry.apps.destroy(drain.app);
  expect(await registry.apps.find(drain.app)).toBeUndefined();
});

async function withDrain() {
  const directory = await mkdtemp(join(tmpdir(), 'spillway-drain-states-'));
  onTestFinished(() => rm(directory, { recursive: true }));
  const file = join(directory, 'registry.db');
  const keyRing = new KeyRing(
    { keys: [{ id: 'aaaaaaaa', bytes: systemChance.bytes(32) }] },
    { chance: systemChance },
  );
  const parts = { keyRing, clock: new FakeClock(), chance: systemChance, logger: silentLogger };
  const open = (): Promise<Registry> => openSqlRegistry({ ...registryOptions, file }, parts);
  const registry = await open();
  onTestFinished(() => registry.close(AbortSignal.abort()));
  const app = await newApp(registry);
  const drain = await registry.drains.add(
    app,
    { url: 'https://u:p@ex.com/', masked: 'https://***@ex.com/', options: { gzip: true } },
    { position: 'p', appSeq: 7 },
  );
  if (typeof drain === 'string') throw new Error(drain);
  const changes: RegistryChange[] = [];
  registry.onChange((change) => void changes.push(change));
  const reopened = async (): Promise<DrainRow> => {
    const again = await open();
    const [row] = await again.listDrains();
    await again.close(AbortSignal.abort());
    if (!row) throw new Error('no drain');
    return row;
  };
  return { registry, drains: registry.drains, drain, changes, file, reopened };
}

async function newApp(registry: Registry): Promise<AppId> {
  const { signups } = registry;
  const code = new Secret('1');
  const uuid = await signups.open({ email: 'a@ex.com', code, expiresAtMs: 9e15 });
  await signups.tryCode(uuid, code);
  await signups.setPassword(uuid, 'hash');
  const user = await signups.finish(uuid, 'FREE', new Secret('key'));
  if (!user) throw new Error('no user');
  const place = { cloud: 'gcp', region: 'here', stack: 'new' };
  const app = await registry.apps.create({ ...place, name: 'demo', owner: user.id });
  if (typeof app === 'string') throw new Error(app);
  return app.id;
}

function reveal(row: DrainRow): object {
  return { ...row, url: row.url.reveal() };
}

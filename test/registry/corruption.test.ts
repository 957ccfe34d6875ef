import { cp, mkdtemp, readdir, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { afterAll, beforeAll, expect, test } from 'vitest';
import { systemChance } from '../../src/core/chance.ts';
import type { AppId } from '../../src/core/ids.ts';
import { Secret } from '../../src/core/secret.ts';
import { openKeyRing } from '../../src/registry/key-ring.ts';
import type { Registry } from '../../src/registry/registry.ts';
import { secretHash } from '../../src/registry/secret-hash.ts';
import { openSqlRegistry } from '../../src/registry/sql/sql-registry.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { registryOptions } from '../support/registry-options.ts';
import { SeededChance } from '../support/seeded-chance.ts';
import { silentLogger as logger } from '../support/silent-logger.ts';

/** SPILLWAY_CORRUPTIONS=5000 for the nightly tier. */
const cases = Number(process.env['SPILLWAY_CORRUPTIONS'] ?? 100);
const apps = 12;

const options = { ...registryOptions, appsPerUserMax: 100 };

/** What a sound registry says. */
interface Truth {
  readonly tokens: ReadonlyMap<string, AppId>;
  readonly drains: ReadonlyMap<string, AppId>;
}

let directory = '';
let truth: Truth;

/** As a start does it with what it finds. */
async function open(place: string, mustExist = true): Promise<Registry> {
  const keyRing = await openKeyRing(
    { file: join(place, 'keys'), mustExist },
    { chance: systemChance, logger },
  );
  return openSqlRegistry(
    { ...options, file: join(place, 'registry.sqlite'), mustExist },
    { keyRing, clock: new FakeClock(), chance: systemChance, logger },
  );
}

async function close(registry: Registry): Promise<void> {
  await registry.close(AbortSignal.timeout(1000));
}

/** Half of it is written with the first key, half after another one was put before that. */
beforeAll(async () => {
  directory = await mkdtemp(join(tmpdir(), 'spillway-registry-'));
  const sound = join(directory, 'sound');
  const [tokens, drains] = [new Map<string, AppId>(), new Map<string, AppId>()];
  let registry = await open(sound, false);
  const uuid = await registry.signups.open({
    email: 'a@example.com',
    code: new Secret('1'),
    expiresAtMs: 9e15,
  });
  await registry.signups.tryCode(uuid, new Secret('1'));
  await registry.signups.setPassword(uuid, 'hash');
  const user = await registry.signups.finish(uuid, 'FREE', new Secret('key'));
  for (let n = 0; n < apps; n++) {
    if (n === apps / 2) {
      await close(registry);
      await rotateKeys(join(sound, 'keys'));
      registry = await open(sound);
    }
    const place = { cloud: 'gcp', region: 'here', stack: 'new' };
    const app = await registry.apps.create({
      ...place,
      name: `app-${n}`,
      owner: user?.id as never,
    });
    if (typeof app === 'string') throw new Error(app);
    tokens.set((await registry.logTokens.current(app.id))?.reveal() ?? '', app.id);
    const url = `https://user:password@logs.example.com/${n}`;
    const drain = await registry.drains.add(
      app.id,
      { url, masked: url, options: {} },
      { position: '0123456789abcdef-0-7-3', appSeq: n },
    );
    expect(typeof drain).toBe('object');
    drains.set(url, app.id);
  }
  // As kill -9 leaves it: much of it is in the write-ahead log alone.
  await cp(sound, join(directory, 'killed'), { recursive: true });
  await close(registry);
  truth = { tokens, drains };
});

afterAll(() => rm(directory, { recursive: true }));

async function rotateKeys(file: string): Promise<void> {
  const key = systemChance.bytes(32).toString('base64');
  const id = systemChance.bytes(4).toString('hex');
  await writeFile(file, `${id} ${key}\n${await readFile(file, 'utf8')}`);
}

const damages = ['bit flipped', 'truncated', 'emptied', '4 KiB zeroed', 'removed'] as const;

async function damage(file: string, how: (typeof damages)[number], chance: SeededChance) {
  const bytes = await readFile(file);
  const at = chance.below(bytes.length);
  if (how === 'removed') return rm(file);
  if (how === 'emptied') return truncate(file, 0);
  if (how === 'truncated') return truncate(file, at);
  if (how === 'bit flipped') bytes[at] = (bytes[at] ?? 0) ^ (1 << chance.below(8));
  else bytes.fill(0, at, Math.min(at + 4096, bytes.length));
  return writeFile(file, bytes);
}

/** What it says is true, or it says that it cannot say. */
async function checkAnswers(registry: Registry): Promise<{ known: number; unknown: number }> {
  const seen = { known: 0, unknown: 0 };
  for (const [token, app] of truth.tokens) {
    const owner = await registry.findToken(secretHash(token)).catch(() => 'not now' as const);
    if (typeof owner === 'object') expect(owner.app).toBe(app);
    seen[typeof owner === 'object' ? 'known' : 'unknown']++;
  }
  for (const { url, app } of await registry.listDrains().catch(() => [])) {
    expect(truth.drains.get(url.reveal())).toBe(app);
  }
  return seen;
}

test(
  `whatever is damaged in the key file or the registry: a clear refusal or true answers, and all of it again with the copy (${cases} cases)`,
  { timeout: 60_000 + cases * 200 },
  async () => {
    const seen = { refused: 0, opened: 0, known: 0, unknown: 0, keysRefused: 0 };
    for (let i = 0; i < cases; i++) {
      const chance = new SeededChance(i);
      const from = join(directory, chance.pick(['sound', 'killed']));
      const place = join(directory, 'damaged');
      await cp(from, place, { recursive: true });
      const name = i % 2 === 0 ? 'keys' : chance.pick(await registryFiles(place));
      // What only the write-ahead log has, is gone with it, and nobody can tell.
      const how = chance.pick(name.endsWith('-wal') ? damages.slice(0, 2) : damages);
      const what = `case ${i}: ${name} ${how}`;
      await damage(join(place, name), how, chance);
      const found = await contentOf(join(place, 'keys'));
      try {
        // Twice: the second start must not find what the first one made of it.
        const outcomes = [await start(place, seen), await start(place, seen)];
        expect(outcomes[1]).toBe(outcomes[0]);
        if (name === 'keys' && outcomes[0] !== 'opened') seen.keysRefused++;
        expect(await contentOf(join(place, 'keys'))).toEqual(found);
        await cp(from, place, { recursive: true });
        const again = await open(place);
        expect(await checkAnswers(again)).toEqual({ known: apps, unknown: 0 });
        expect(await again.listDrains()).toHaveLength(apps);
        await close(again);
      } catch (error) {
        throw new Error(`${what}: ${(error as Error).message}`, { cause: error });
      } finally {
        await rm(place, { recursive: true });
      }
    }
    process.stderr.write(`keys and registry: ${JSON.stringify({ cases, ...seen })}\n`);
    expect(seen.keysRefused).toBeGreaterThan(cases / 10);
    expect(seen.refused).toBeGreaterThan(seen.keysRefused);
    expect(seen.opened).toBeGreaterThan(0);
  },
);

async function registryFiles(place: string): Promise<string[]> {
  const names = await readdir(place);
  return names.filter((name) => name === 'registry.sqlite' || name.endsWith('-wal'));
}

async function contentOf(file: string): Promise<string | undefined> {
  return readFile(file, 'latin1').catch(() => undefined);
}

const refusals = ['KEY_INVALID', 'REGISTRY_DAMAGED', 'REGISTRY_UNAVAILABLE', 'FORMAT_TOO_NEW'];

async function start(
  place: string,
  seen: { refused: number; opened: number; known: number; unknown: number },
): Promise<string> {
  let registry: Registry;
  try {
    registry = await open(place);
  } catch (error) {
    const { code, message } = error as { code: string; message: string };
    expect(refusals).toContain(code);
    const named = code === 'KEY_INVALID' ? 'keys' : 'registry.sqlite';
    // The name of a migration has become another one.
    expect(message).toContain(code === 'FORMAT_TOO_NEW' ? 'registry' : join(place, named));
    seen.refused++;
    return code;
  }
  const { known, unknown } = await checkAnswers(registry);
  await close(registry);
  seen.opened++;
  seen.known += known;
  seen.unknown += unknown;
  return 'opened';
}

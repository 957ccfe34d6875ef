import { writeFile, readFile, stat } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { appId } from '../../src/core/ids.ts';
import { TokenFile, type KeptToken, type TokenStore } from '../../src/ingest/kept-tokens.ts';
import {
  TokenCache,
  type Judgement,
  type TokenCacheOptions,
} from '../../src/ingest/token-cache.ts';
import { temporaryDirectory } from '../support/embedded.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { basic, Directory, token } from './ingest-harness.ts';

const options: TokenCacheOptions = {
  tokenFreshMs: 5000,
  tokenAskMsMax: 1000,
  tokenRetryMs: 1000,
  tokensMax: 3,
  tokenAsksMax: 2,
  tokensSaveMs: 5000,
};

class MemoryStore implements TokenStore {
  saves = 0;
  kept: Map<string, KeptToken>;

  constructor(kept = new Map<string, KeptToken>()) {
    this.kept = kept;
  }

  load(): Promise<Map<string, KeptToken>> {
    return Promise.resolve(new Map(this.kept));
  }

  save(tokens: ReadonlyMap<string, KeptToken>): Promise<void> {
    this.saves++;
    this.kept = new Map(tokens);
    return Promise.resolve();
  }
}

async function start(store = new MemoryStore(), over: Partial<TokenCacheOptions> = {}) {
  const clock = new FakeClock();
  const directory = new Directory();
  const cache = new TokenCache(
    { ...options, ...over },
    { directory, store, clock, logger: silentLogger },
  );
  await cache.start();
  return { cache, clock, directory, store };
}

/** `now` when it was known without waiting. */
async function judged(judgement: Judgement | Promise<Judgement>): Promise<[string, string]> {
  const isLater = judgement instanceof Promise;
  const verdict = await judgement;
  return [
    typeof verdict === 'string' ? verdict : verdict.name.toString(),
    isLater ? 'later' : 'now',
  ];
}

const header = basic(token);

test('asks the registry once for all who wait, and then knows', async () => {
  const { cache, directory } = await start();
  const both = [cache.judge(header), cache.judge(header)];
  expect(await judged(both[0] as Promise<Judgement>)).toEqual(['demo', 'later']);
  expect(await judged(both[1] as Promise<Judgement>)).toEqual(['demo', 'later']);
  expect(await judged(cache.judge(header))).toEqual(['demo', 'now']);
  expect(directory.asked).toBe(1);
});

test('asks again in the background from half of the time on, and first after all of it', async () => {
  const { cache, clock, directory } = await start();
  await cache.judge(header);
  await clock.advance(2500);
  await judged(cache.judge(header));
  expect(directory.asked).toBe(1);
  await clock.advance(1);
  expect(await judged(cache.judge(header))).toEqual(['demo', 'now']);
  expect(directory.asked).toBe(2);
  await clock.advance(5001);
  expect(await judged(cache.judge(header))).toEqual(['demo', 'later']);
});

test('refuses a revoked token within the time, and a new name comes through', async () => {
  const { cache, clock, directory } = await start();
  await cache.judge(header);
  directory.owner = { app: appId(1), appName: 'renamed' };
  await clock.advance(5001);
  expect(await judged(cache.judge(header))).toEqual(['renamed', 'later']);
  directory.owner = undefined;
  await clock.advance(5001);
  expect(await judged(cache.judge(header))).toEqual(['unknown', 'later']);
  expect(await judged(cache.judge(header))).toEqual(['unknown', 'now']);
});

test('asks about an unknown token again after the time', async () => {
  const { cache, clock, directory } = await start();
  directory.owner = undefined;
  expect(await judged(cache.judge(header))).toEqual(['unknown', 'later']);
  directory.owner = { app: appId(1), appName: 'demo' };
  await clock.advance(4999);
  expect(await judged(cache.judge(header))).toEqual(['unknown', 'now']);
  await clock.advance(2);
  expect(await judged(cache.judge(header))).toEqual(['demo', 'later']);
});

test('goes on with what it knew while the registry fails, and leaves it alone for a while', async () => {
  const { cache, clock, directory } = await start();
  await cache.judge(header);
  directory.isDown = true;
  await clock.advance(60_000);
  expect(await judged(cache.judge(header))).toEqual(['demo', 'later']);
  expect(await judged(cache.judge(header))).toEqual(['demo', 'now']);
  expect(directory.asked).toBe(2);
});

test('cannot judge a token that it never knew while the registry fails or is silent', async () => {
  const { cache, clock, directory } = await start();
  directory.isDown = true;
  expect(await judged(cache.judge(header))).toEqual(['unjudged', 'later']);
  expect(await judged(cache.judge(header))).toEqual(['unjudged', 'now']);
  directory.isDown = false;
  directory.isSilent = true;
  await clock.advance(1001);
  const silent = cache.judge(header);
  await clock.advance(1001);
  expect(await judged(silent)).toEqual(['unjudged', 'later']);
});

test('does not take an old no for one while the registry fails', async () => {
  const { cache, clock, directory } = await start();
  directory.owner = undefined;
  await cache.judge(header);
  directory.isDown = true;
  await clock.advance(5001);
  expect(await judged(cache.judge(header))).toEqual(['unjudged', 'later']);
});

test('asks at once when it is told that the registry has changed', async () => {
  const { cache, directory } = await start();
  await cache.judge(header);
  directory.owner = undefined;
  cache.expire();
  expect(await judged(cache.judge(header))).toEqual(['unknown', 'later']);
});

test('remembers only so many tokens: those that are used stay', async () => {
  const { cache, clock, directory } = await start();
  await cache.judge(header);
  for (let i = 0; i < 20; i++) {
    await cache.judge(basic(`t.other-${i}`));
    await clock.advance(10);
    void cache.judge(header);
  }
  const { asked } = directory;
  expect(await judged(cache.judge(header))).toEqual(['demo', 'now']);
  expect(directory.asked).toBe(asked);
  expect(await judged(cache.judge(basic('t.other-3')))).toEqual(['demo', 'later']);
});

test('asks only so many questions at once', async () => {
  const { cache, directory } = await start();
  directory.isSilent = true;
  for (let i = 0; i < 2; i++) void cache.judge(basic(`t.${i}`));
  expect(await judged(cache.judge(basic('t.2')))).toEqual(['unjudged', 'now']);
});

test('keeps known tokens for a start while the registry is down, hashed, and forgets revoked ones', async () => {
  const { cache, clock, directory, store } = await start();
  await cache.judge(header);
  await clock.advance(5000);
  expect(store.saves).toBe(1);
  expect([...store.kept.keys()].join()).not.toContain(token);
  const next = await start(store);
  next.directory.isDown = true;
  expect(await judged(next.cache.judge(header))).toEqual(['demo', 'later']);
  directory.owner = undefined;
  await clock.advance(5001);
  await cache.judge(header);
  await cache.close();
  expect(store.kept.size).toBe(0);
});

test('writes only when something has changed', async () => {
  const { cache, clock, store } = await start();
  await cache.judge(header);
  for (let i = 0; i < 5; i++) {
    await clock.advance(5000);
    await cache.judge(header);
    await settle();
  }
  expect(store.saves).toBe(1);
});

test('reads its file back, and takes one that is damaged for none', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'tokens');
  const file = new TokenFile(path);
  expect(await file.load()).toEqual(new Map());
  const tokens = new Map([['ab'.repeat(32), { app: appId(7), appName: 'my app' }]]);
  await file.save(tokens);
  expect(await file.load()).toEqual(tokens);
  expect((await stat(path)).mode & 0o777).toBe(0o600);
  const text = await readFile(path, 'utf8');
  await writeFile(path, `${text}zz 1 x\n${'cd'.repeat(32)} 0 x\n`);
  expect(await file.load()).toEqual(tokens);
  await writeFile(path, 'something else\n');
  expect(await file.load()).toEqual(new Map());
});

test('whatever bit of its file has flipped, no token becomes that of another app', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'tokens');
  const file = new TokenFile(path);
  const tokens = new Map(
    ['ab', 'cd'].map((hex, i) => [hex.repeat(32), { app: appId(17 + i), appName: `app ${i}` }]),
  );
  await file.save(tokens);
  const sound = await readFile(path);
  for (let bit = 0; bit < sound.length * 8; bit++) {
    const bytes = Buffer.from(sound);
    bytes[bit >> 3] = (bytes[bit >> 3] ?? 0) ^ (1 << (bit & 7));
    await writeFile(path, bytes);
    const loaded = await file.load();
    for (const [hash, kept] of loaded) expect(kept).toEqual(tokens.get(hash));
    expect(loaded.size).toBeLessThanOrEqual(2);
  }
});

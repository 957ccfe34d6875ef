import { chmod, mkdtemp, readFile, stat, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import fc from 'fast-check';
import { expect, test } from 'vitest';
import { systemChance as chance } from '../../src/core/chance.ts';
import type { Logger } from '../../src/core/logger.ts';
import { KeyRing, openKeyRing, parseKeyFile, type Key } from '../../src/registry/key-ring.ts';

const place = { table: 'drains', row: '7', field: 'url' };
const silent: Logger = {
  debug: () => undefined,
  info: () => undefined,
  warn: () => undefined,
  error: () => undefined,
};

test('opens what it sealed, and never seals the same way twice', () => {
  const ring = ringOf(key('aaaaaaaa'));
  fc.assert(
    fc.property(fc.string({ unit: 'binary' }), (text) => {
      const sealed = ring.seal(text, place);
      expect(ring.open(sealed, place)).toBe(Buffer.from(text).toString());
      expect(ring.seal(text, place)).not.toBe(sealed);
    }),
  );
});

test('refuses a value moved to another table, row or field', () => {
  const ring = ringOf(key('aaaaaaaa'));
  const sealed = ring.seal('secret', place);
  for (const elsewhere of [{ table: 'apps' }, { row: '8' }, { field: 'options' }]) {
    expect(() => ring.open(sealed, { ...place, ...elsewhere })).toThrow(/cannot open/);
  }
});

test('refuses a value with any byte changed, and one cut short', () => {
  const ring = ringOf(key('aaaaaaaa'));
  const sealed = Buffer.from(ring.seal('secret', place), 'base64');
  for (let at = 0; at < sealed.length; at++) {
    const changed = Buffer.from(sealed);
    changed.writeUInt8((changed[at] ?? 0) ^ 1, at);
    expect(() => ring.open(changed.toString('base64'), place)).toThrow(/cannot open/);
    expect(() => ring.open(sealed.toString('base64', 0, at), place)).toThrow(/cannot open/);
  }
});

test('the first key seals and signs, all keys open and recognise', () => {
  const old = key('aaaaaaaa');
  const fresh = key('bbbbbbbb');
  const before = ringOf(old);
  const after = ringOf(fresh, old);
  const sealed = before.seal('secret', place);
  expect(after.open(sealed, place)).toBe('secret');
  expect(after.isSigned(before.sign('123456', place), '123456', place)).toBe(true);
  const resealed = after.seal('secret', place);
  expect(Buffer.from(resealed, 'base64').toString('hex', 1, 5)).toBe('bbbbbbbb');
  expect(() => before.open(resealed, place)).toThrow(/key bbbbbbbb, which is not in the key file/);
});

test('a signature is good for its text in its place alone', () => {
  const ring = ringOf(key('aaaaaaaa'));
  const signature = ring.sign('123456', place);
  expect(ring.isSigned(signature, '123456', place)).toBe(true);
  expect(ring.isSigned(signature, '123457', place)).toBe(false);
  expect(ring.isSigned(signature, '123456', { ...place, row: '8' })).toBe(false);
  expect(ring.isSigned('', '123456', place)).toBe(false);
});

test('makes a key file that only its owner reads, and finds it again', async () => {
  const file = join(await mkdtemp(join(tmpdir(), 'spillway-keys-')), 'data', 'keys');
  const first = await openKeyRing({ file }, { chance, logger: silent });
  expect((await stat(file)).mode & 0o777).toBe(0o600);
  const second = await openKeyRing({ file }, { chance, logger: silent });
  expect(second.open(first.seal('secret', place), place)).toBe('secret');
});

test('warns of a key file that others can read', async () => {
  const file = join(await mkdtemp(join(tmpdir(), 'spillway-keys-')), 'keys');
  await openKeyRing({ file }, { chance, logger: silent });
  await chmod(file, 0o644);
  const events: string[] = [];
  const logger = { ...silent, warn: (_fields: object, event: string) => void events.push(event) };
  await openKeyRing({ file }, { chance, logger });
  expect(events).toEqual(['registry.key_file_readable_by_others']);
});

test.each([
  ['nothing', ''],
  ['comments alone', '# keys\n'],
  ['half a key', 'aaaaaaaa AAAA\n'],
  ['binary', '\u0000\u0001\u0002'],
  ['a key id twice', `${line('aaaaaaaa')}\n${line('aaaaaaaa')}\n`],
])('refuses a key file with %s, without repeating what is in it', async (_what, text) => {
  const file = join(await mkdtemp(join(tmpdir(), 'spillway-keys-')), 'keys');
  await writeFile(file, text);
  const opening = openKeyRing({ file }, { chance, logger: silent });
  await expect(opening).rejects.toMatchObject({ code: 'KEY_INVALID' });
  await expect(opening).rejects.toThrow(`the key file ${file} is damaged`);
  await expect(readFile(file, 'utf8')).resolves.toBe(text);
});

test('reads keys in order, with comments and either line end', () => {
  const text = `# first\r\n${line('aaaaaaaa')}\r\n\r\n${line('bbbbbbbb')}\n`;
  expect(parseKeyFile(text, 'keys').map(({ id }) => id)).toEqual(['aaaaaaaa', 'bbbbbbbb']);
});

function ringOf(...keys: Key[]): KeyRing {
  return new KeyRing({ keys }, { chance });
}

function key(id: string): Key {
  return { id, bytes: chance.bytes(32) };
}

function line(id: string): string {
  return `${id} ${Buffer.alloc(32, id).toString('base64')}`;
}

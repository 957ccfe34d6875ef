import { readFileSync } from 'node:fs';
import { stripTypeScriptTypes } from 'node:module';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { applied, seededBugs } from './seeded-bugs.ts';

const root = join(import.meta.dirname, '../../..');

test('there are twelve', () => {
  expect(new Set(seededBugs.map(({ name }) => name)).size).toBe(12);
});

test.each(seededBugs.map((bug) => [bug.name, bug] as const))(
  'the sources still have the place for: %s',
  (_name, { replacements }) => {
    const files = new Map<string, string>();
    for (const replacement of replacements) {
      const { file } = replacement;
      const source = files.get(file) ?? readFileSync(join(root, file), 'utf8');
      files.set(file, applied(source, replacement));
    }
    for (const source of files.values()) {
      expect(() => stripTypeScriptTypes(source)).not.toThrow();
    }
  },
);

test('a place that has changed, or is there twice, is an error', () => {
  const replacement = { file: 'a.ts', old: 'x', by: 'y' };
  expect(applied('axb', replacement)).toBe('ayb');
  expect(() => applied('ab', replacement)).toThrow('0 places');
  expect(() => applied('xx', replacement)).toThrow('2 places');
});

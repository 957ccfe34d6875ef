import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { optionRules } from '../../src/drains/url/option-rules.ts';

const readme = readFileSync(join(import.meta.dirname, '../../docs/drains/README.md'), 'utf8');

test('every option has a row, and every row is an option', () => {
  const rows = [...readme.matchAll(/^\| `(\w+)`/gm)].map(([, name = '']) => name);
  expect(rows).toEqual([...rows].filter((name) => optionRules.has(name)));
  expect([...rows].sort()).toEqual([...optionRules.keys()].sort());
});

test('options that are secret are said to be', () => {
  for (const [name, { isSecret }] of optionRules) {
    const row = new RegExp(`^\\| \`${name}\`.*$`, 'm').exec(readme)?.[0] ?? '';
    expect([name, row.includes('Secret')]).toEqual([name, isSecret === true]);
  }
});

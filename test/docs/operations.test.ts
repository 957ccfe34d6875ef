import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { variables } from '../../src/config/variables.ts';

const root = join(import.meta.dirname, '../..');
const operations = readFileSync(join(root, 'docs/operations.md'), 'utf8');

test('every variable has a row, and every row is a variable', () => {
  expect(rows('Configuration')).toEqual(
    Object.values(variables)
      .map(({ name }) => name)
      .sort(),
  );
});

test('the defaults are those of the table of variables', () => {
  for (const { name, fallback } of Object.values(variables)) {
    const [, shown = ''] =
      new RegExp(`^\\| \`${name}\`\\s*\\| ([^|]*)\\|`, 'm').exec(operations) ?? [];
    if ('text' in fallback)
      expect([name, shown]).toEqual([name, expect.stringContaining(fallback.text || 'none')]);
    else
      expect([name, shown.replaceAll('`', '')]).toEqual([
        name,
        expect.stringContaining(fallback.words),
      ]);
  }
});

test('every metric has a row, and every row is a metric', () => {
  const names = globSync('src/**/*-metrics.ts', { cwd: root }).flatMap((file) =>
    [...readFileSync(join(root, file), 'utf8').matchAll(/'(spillway_[a-z_]+)'/g)].map(
      ([, name = '']) => name,
    ),
  );
  expect(names.length).toBeGreaterThan(20);
  expect(rows('Metrics')).toEqual([...new Set(names)].sort());
});

test('every notice has a row, and every row is a notice', () => {
  const source = readFileSync(join(root, 'src/core/notices.ts'), 'utf8');
  const codes = [...source.matchAll(/`Error (L\d+) /g)].map(([, code = '']) => code);
  expect(codes).toContain('L10');
  expect(rows('Notices')).toEqual([...new Set(codes)].sort());
});

test('every exit code of --help has a row', () => {
  const source = readFileSync(join(root, 'src/config/help.ts'), 'utf8');
  const codes = [...source.matchAll(/\['(\d+)', /g)].map(([, code = '']) => code);
  expect(codes).toContain('78');
  for (const code of codes) expect(operations).toMatch(new RegExp(`^\\| (\\d+, )?${code}\\b`, 'm'));
});

/** First cells of the first table under a heading, sorted. */
function rows(heading: string): string[] {
  const section = operations.split(`\n## ${heading}\n`)[1]?.split(/\n## /)[0] ?? '';
  const table = section.split('\n').filter((line) => line.startsWith('|'));
  const cells = table.slice(2).map((line) => line.split('|')[1]?.trim().replaceAll('`', '') ?? '');
  const end = cells.findIndex((cell) => cell === 'when');
  return (end < 0 ? cells : cells.slice(0, end)).sort();
}

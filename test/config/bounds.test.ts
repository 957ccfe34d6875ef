import { globSync, readFileSync } from 'node:fs';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { bounds } from '../../src/config/bounds.ts';

test('every bound is obeyed somewhere: its name is read outside of the configuration', () => {
  const root = join(import.meta.dirname, '../..');
  const sources = globSync('src/**/*.ts', { cwd: root })
    .filter((file) => !file.startsWith('src/config/'))
    .map((file) => readFileSync(join(root, file), 'utf8'))
    .join('\n');
  const idle = namesIn(bounds).filter((name) => !new RegExp(`\\b${name}\\b`).test(sources));
  expect(idle).toEqual([]);
});

function namesIn(group: object): string[] {
  return Object.entries(group).flatMap(([name, value]) =>
    typeof value === 'object' && !Array.isArray(value) ? namesIn(value as object) : [name],
  );
}

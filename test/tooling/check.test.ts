import { expect, test } from 'vitest';
import { SourceCopy } from './source-copy.ts';

const careless = `
import { Position } from '../core/position.ts';

export async function careless(kind: 'a' | 'b', position: Position): Promise<number> {
  const value: any = position;
  Promise.resolve(1);
  [1].forEach(async () => {
    await Promise.resolve(value);
  });
  setTimeout(() => undefined, Date.now());
  setInterval(() => undefined, Math.random());
  console.log(process.env['HOME']);
  await fetch('http://127.0.0.1/');
  switch (kind) {
    case 'a':
      return 1;
  }
  return 2;
}
`;

test('lint finds what only types can tell, and what is forbidden', async () => {
  await using copy = await SourceCopy.create();
  await copy.plant('src/router/planted.ts', careless);
  const { failed, output } = await copy.check('lint');
  expect(failed).toBe(true);
  for (const rule of [
    'typescript(no-floating-promises)',
    'typescript(no-misused-promises)',
    'typescript(switch-exhaustiveness-check)',
    'typescript(no-explicit-any)',
    'typescript(consistent-type-imports)',
    'eslint(no-console)',
  ]) {
    expect(output).toContain(rule);
  }
  for (const word of ['setTimeout', 'setInterval', 'fetch']) {
    expect(output).toContain(`Unexpected use of '${word}'`);
  }
  for (const word of ['Date.now', 'Math.random', 'process.env']) {
    expect(output).toContain(`'${word}' is restricted`);
  }
});

test('lint lets the clock, the reader of the environment and scripts use what they are for', async () => {
  await using copy = await SourceCopy.create();
  const text = 'export const now = (): number => Date.now() + Number(process.env["N"]);\n';
  await copy.plant('src/core/planted.ts', text);
  await copy.plant('scripts/planted.ts', text);
  const { output } = await copy.check('lint');
  expect(output).not.toContain('planted.ts');
});

test('types finds a type error', async () => {
  await using copy = await SourceCopy.create();
  await copy.plant('src/core/planted.ts', 'export const port: number = "8080";\n');
  const { failed, output } = await copy.check('types');
  expect(failed).toBe(true);
  expect(output).toContain('src/core/planted.ts(1,14): error TS2322');
});

test('types refuses syntax that Node cannot strip', async () => {
  await using copy = await SourceCopy.create();
  await copy.plant('src/core/planted.ts', 'export enum State {\n  Up,\n}\n');
  const { failed, output } = await copy.check('types');
  expect(failed).toBe(true);
  expect(output).toContain('src/core/planted.ts(1,13): error TS1294');
});

test('imports finds one that points up, one that points sideways and a cycle, types included', async () => {
  await using copy = await SourceCopy.create();
  await copy.plant(
    'src/core/planted.ts',
    "import type { Config } from '../config/config.ts';\nexport type Planted = Config;\n",
  );
  await copy.plant(
    'src/router/planted.ts',
    "import type { Drain } from '../drains/drain.ts';\nimport type { B } from './planted-b.ts';\nexport type A = Drain | B;\n",
  );
  await copy.plant(
    'src/router/planted-b.ts',
    "import type { A } from './planted.ts';\nexport type B = A | undefined;\n",
  );
  const { failed, output } = await copy.check('imports');
  expect(failed).toBe(true);
  expect(output).toMatch(
    /core-imports-only-itself: src\/core\/planted.ts → src\/config\/config.ts/,
  );
  expect(output).toMatch(
    /router-imports-only-\S+: src\/router\/planted.ts → src\/drains\/drain.ts/,
  );
  expect(output).toMatch(/no-cycles: src\/router\/planted/);
});

test('imports keeps clients of others in their folder, and tests out of what ships', async () => {
  await using copy = await SourceCopy.create();
  await copy.plant(
    'src/router/planted.ts',
    "import { Pool } from 'undici';\nimport { Registry } from 'prom-client';\nimport fc from 'fast-check';\nimport '../misplaced/a.ts';\nexport const planted = [Pool, Registry, fc];\n",
  );
  await copy.plant('src/misplaced/a.ts', "import '../core/clock.ts';\n");
  const { failed, output } = await copy.check('imports');
  expect(failed).toBe(true);
  for (const rule of [
    'undici-has-one-home',
    'metrics-in-metrics-files',
    'no-development-packages',
    'no-folder-without-a-row',
  ]) {
    expect(output).toContain(`${rule}: src/`);
  }
});

test('imports fails when the tool read nothing and is content', async () => {
  await using copy = await SourceCopy.create();
  const nothing = JSON.stringify({ modules: [], summary: { violations: [] } });
  await copy.plant('shims/depcruise', `#!/bin/sh\nprintf '%s' '${nothing}'\n`);
  const { failed, output } = await copy.check('imports', 'shims');
  expect(failed).toBe(true);
  expect(output).toContain('not read, so not checked: src/main.ts');
});

test('unused finds an export and a file that nobody wants', async () => {
  await using copy = await SourceCopy.create();
  await copy.plant('src/core/planted.ts', 'export const wanted = 1;\nexport const unwanted = 2;\n');
  await copy.plant('src/core/forgotten.ts', 'export const forgotten = 1;\n');
  await copy.plant(
    'scripts/planted.ts',
    "import { wanted } from '../src/core/planted.ts';\nconsole.log(wanted);\n",
  );
  const { failed, output } = await copy.check('unused');
  expect(failed).toBe(true);
  expect(output).toMatch(/unwanted\s+src\/core\/planted.ts/);
  expect(output).toContain('src/core/forgotten.ts');
  expect(output).not.toMatch(/\bwanted\s+src/);
});

test('format finds a file that is not formatted', async () => {
  await using copy = await SourceCopy.create();
  await copy.plant('src/core/planted.ts', 'export const a = {b:1}');
  const { failed, output } = await copy.check('format');
  expect(failed).toBe(true);
  expect(output).toContain('src/core/planted.ts');
});

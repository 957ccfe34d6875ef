import { expect, test } from 'vitest';
import { createLineFilter } from '../../../src/drains/formats/line-filter.ts';
import { Header, scanHeader } from '../../../src/syslog/header.ts';

const anything = { sources: [], processes: [], severity: undefined };

function passes(
  filters: Partial<Parameters<typeof createLineFilter>[0]>,
  line: { app?: string; proc?: string; pri?: number },
): boolean | undefined {
  const { app = 'demo', proc = 'web.1', pri = 190 } = line;
  const bytes = Buffer.from(`xx<${pri}>1 T host ${app} ${proc} - - text`);
  const header = new Header();
  expect(scanHeader(bytes, 2, bytes.length, header)).toBe(true);
  return createLineFilter({ ...anything, ...filters })?.(header, bytes);
}

test('without filters there is nothing to ask', () => {
  expect(createLineFilter(anything)).toBeUndefined();
});

test('a source is the whole APP-NAME, one of several', () => {
  const filters = { sources: ['demo', 'gigalixir'] };
  expect(passes(filters, { app: 'demo' })).toBe(true);
  expect(passes(filters, { app: 'gigalixir' })).toBe(true);
  expect(passes(filters, { app: 'dem' })).toBe(false);
  expect(passes(filters, { app: 'demo2' })).toBe(false);
  expect(passes(filters, { app: 'Demo' })).toBe(false);
});

test('a process is the whole PROCID, or its type before the dot', () => {
  const filters = { processes: ['web'] };
  expect(passes(filters, { proc: 'web' })).toBe(true);
  expect(passes(filters, { proc: 'web.1' })).toBe(true);
  expect(passes(filters, { proc: 'web.22' })).toBe(true);
  expect(passes(filters, { proc: 'website' })).toBe(false);
  expect(passes(filters, { proc: 'we' })).toBe(false);
  expect(passes(filters, { proc: 'worker.1' })).toBe(false);
  expect(passes({ processes: ['web.1'] }, { proc: 'web.1' })).toBe(true);
  expect(passes({ processes: ['web.1'] }, { proc: 'web.10' })).toBe(false);
});

test('severity is that of PRI, and everything more severe passes', () => {
  const filters = { severity: 4 };
  expect(passes(filters, { pri: 184 })).toBe(true);
  expect(passes(filters, { pri: 188 })).toBe(true);
  expect(passes(filters, { pri: 189 })).toBe(false);
});

test('a line passes only when it passes every filter', () => {
  const filters = { sources: ['demo'], processes: ['web'], severity: 4 };
  expect(passes(filters, { pri: 3 })).toBe(true);
  expect(passes(filters, { pri: 190 })).toBe(false);
  expect(passes(filters, { pri: 3, app: 'other' })).toBe(false);
  expect(passes(filters, { pri: 3, proc: 'worker.1' })).toBe(false);
});

import { expect, test } from 'vitest';
import { isStructuredData } from '../../../src/drains/formats/structured-data.ts';

test.each([
  '[id@1]',
  '[id@1 a="b"]',
  '[id@1 a="b" a="c"][x@2 y=""]',
  String.raw`[id@1 a="q\"b\\s\]c"]`,
  '[id@1 a="Grüße [x"]',
  '[9c8b7a65-4d3c-2b1a-0f9e-8d7c6b5a4f3e@41058 tag="demo"]',
  '[a[b@1 x="1"]',
])('%s is structured data', (text) => {
  expect(isStructuredData(text)).toBe(true);
});

test.each([
  '',
  '-',
  'id@1',
  '[]',
  '[ id@1]',
  '[id@1 ]',
  '[id@1 a]',
  '[id@1 a=b]',
  '[id@1 a="b]"]',
  String.raw`[id@1 a="\n"]`,
  '[id@1 a="b"] [x@2]',
  '[id@1][id@1]',
  '[id@1 a="b"]\n',
  '[id@1 a="\n"]',
  '[id@1 a="b"',
  '[ï@1]',
  `[id@1 a="${'x'.repeat(600)}"]`,
])('%j is not', (text) => {
  expect(isStructuredData(text)).toBe(false);
});

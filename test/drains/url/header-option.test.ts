import { expect, test } from 'vitest';
import { requestHeaders } from '../../../src/drains/url/header-option.ts';

test('names and values come as an object or as pairs', () => {
  expect(requestHeaders({ 'DD-API-KEY': 'x', Authorization: 'Bearer a b' })).toEqual({
    'DD-API-KEY': 'x',
    Authorization: 'Bearer a b',
  });
  expect(requestHeaders([['X-A', '1']])).toEqual({ 'X-A': '1' });
});

test.each([
  ['nothing', {}],
  ['no text', { A: 1 }],
  ['text', 'A: b'],
  ['null', null],
  ['an empty value', { A: '' }],
  ['a name with a space', { 'A B': 'x' }],
  ['a name with a colon', { 'A:': 'x' }],
  ['a line break', { A: 'x\r\nB: y' }],
  ['a character beyond ASCII', { A: 'ü' }],
  ['space around the value', { A: ' x' }],
  ['one name twice', { 'x-a': '1', 'X-A': '2' }],
  ['Host', { host: 'x' }],
  ['Content-Length', { 'Content-Length': '1' }],
  ['Content-Encoding', { 'content-encoding': 'br' }],
  ['Transfer-Encoding', { 'transfer-encoding': 'chunked' }],
  ['Connection', { connection: 'close' }],
  ['Proxy-Authorization', { 'Proxy-Authorization': 'x' }],
  ['ours', { 'Logplex-Frame-Id': 'x' }],
  [
    'more than there may be',
    Object.fromEntries(Array.from({ length: 21 }, (_, i) => [`x-${i}`, 'a'])),
  ],
  ['more bytes than there may be', { A: 'x'.repeat(9000) }],
  ['__proto__', JSON.parse('{"__proto__":"x"}')],
])('%s is refused', (_what, value) => {
  expect(requestHeaders(value)).toBeUndefined();
});

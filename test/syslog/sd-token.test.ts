import { expect, test } from 'vitest';
import { Header, scanHeader } from '../../src/syslog/header.ts';
import { takeSdToken } from '../../src/syslog/sd-token.ts';

function taken(data: string): [string, string] | undefined {
  const message = Buffer.from(`<13>1 - host app web.1 - ${data}`);
  const header = new Header();
  expect(scanHeader(message, 0, message.length, header)).toBe(true);
  const found = takeSdToken(message, header);
  if (!found) return undefined;
  expect(scanHeader(found.message, 0, found.message.length, header)).toBe(true);
  return [found.token, found.message.toString().slice('<13>1 - host app web.1 - '.length)];
}

test.each<[string, string, string]>([
  ['[spillway@32473 token="t.abc"] text', 't.abc', '- text'],
  ['[x@1 logplex_token="t.abc"] text', 't.abc', '- text'],
  ['[token token="t.abc"]', 't.abc', '-'],
  ['[x@1 token="t.abc"]\n', 't.abc', '-\n'],
  ['[x@1 token="t.abc"] [info] text', 't.abc', '- [info] text'],
  ['[x@1 a="1" token="t.abc" b="2"] text', 't.abc', '[x@1 a="1" b="2"] text'],
  ['[a@1 a="q\\]\\"\\\\"][x@1 token="t.abc"] text', 't.abc', '[a@1 a="q\\]\\"\\\\"] text'],
  ['[x@1 token="t.abc"][b@1] text', 't.abc', '[b@1] text'],
  ['[x@1 token="t.abc"][y@1 logplex_token="t.def" z="1"] text', 't.abc', '[y@1 z="1"] text'],
  ['[x@1 token="other"][y@1 token="t.abc"] text', 't.abc', '[x@1 token="other"] text'],
])('%s', (data, token, rest) => {
  expect(taken(data)).toEqual([token, rest]);
});

test.each([
  '- [x@1 token="t.abc"] text',
  'text [x@1 token="t.abc"]',
  '[info] [x@1 token="t.abc"]',
  '[x@1 tokens="t.abc"] text',
  '[x@1 token="d.abc"] text',
  '[x@1 token="t."] text',
  '[x@1 token="t.a b"] text',
  '[x@1 token="t.a\\"b"] text',
  '[x@1 a="token=t.abc"] text',
  '[x@1] text',
  '-',
])('none in %s', (data) => {
  expect(taken(data)).toBeUndefined();
});

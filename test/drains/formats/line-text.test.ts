import fc from 'fast-check';
import { expect, test } from 'vitest';
import { cutText, strippedText } from '../../../src/drains/formats/line-text.ts';

const escape = '\u001b';
const ansi = { stripAnsi: true, stripPrefix: false };
const prefix = { stripAnsi: false, stripPrefix: true };
const both = { stripAnsi: true, stripPrefix: true };

function strip(text: string, rules: typeof ansi): string {
  return strippedText(Buffer.from(text), rules).toString();
}

test.each([
  ['a colour', `${escape}[31mred${escape}[0m`, 'red'],
  ['256 colours', `${escape}[38;5;208mx${escape}[m`, 'x'],
  ['a cursor', `${escape}[2J${escape}[1;1Hx`, 'x'],
  ['a title', `${escape}]0;title\u0007x`, 'x'],
  ['a link', `${escape}]8;;http://a${escape}\\x${escape}]8;;${escape}\\`, 'x'],
  ['a two-byte escape', `${escape}cx${escape}7`, 'x'],
  ['a character set', `${escape}(Bx`, 'x'],
  ['a title without end', `${escape}]0;title`, '0;title'],
  ['an escape at the end', `x${escape}`, `x${escape}`],
  ['none', 'plain [31m text', 'plain [31m text'],
])('of %s only the text stays', (_what, text, expected) => {
  expect(strip(text, ansi)).toBe(expected);
});

test('bytes that are no escapes stay, UTF-8 or not', () => {
  const bytes = Buffer.from([
    0xff, 0x00, 0x9b, 0x33, 0x31, 0x6d, 0x1b, 0x5b, 0x30, 0x6d, 0xe2, 0x82,
  ]);
  expect(strippedText(bytes, ansi)).toEqual(
    Buffer.from([0xff, 0x00, 0x9b, 0x33, 0x31, 0x6d, 0xe2, 0x82]),
  );
  expect(strip(`Grüße ${escape}[1m€`, ansi)).toBe('Grüße €');
});

test.each([
  ['web.1  | hello', 'hello'],
  ['worker.12 | hello', 'hello'],
  ['12:13:14 web.1  | hello', 'hello'],
  [`${escape}[36mweb.1  | ${escape}[0mhello`, 'hello'],
  ['web.1  | web.1  | hello', 'web.1  | hello'],
  ['hello web.1  | x', 'hello web.1  | x'],
  ['web | x', 'web | x'],
  ['1.5 || x', '1.5 || x'],
])("of foreman's %j %j stays", (text, expected) => {
  expect(strip(text, prefix)).toBe(expected);
});

test('both together leave the text of a line as foreman prints it', () => {
  const line = `${escape}[36mweb.1  | ${escape}[0m${escape}[32minfo${escape}[0m up`;
  expect(strip(line, both)).toBe('info up');
  expect(strip(line, prefix)).toBe(`${escape}[32minfo${escape}[0m up`);
});

test('a text with nothing to strip is the same buffer', () => {
  const text = Buffer.from('nothing');
  expect(strippedText(text, both)).toBe(text);
  expect(cutText(text, 7)).toBe(text);
});

test.each(['\u001b]', '\u001b[', '\u001b[1;', '\u001b]\u001b[0'])(
  'a megabyte of %j is no work',
  (piece) => {
    const text = Buffer.from(piece.repeat(Math.ceil(1_000_000 / piece.length)));
    // Were the work not linear, this would not end within the time of a test.
    expect(strippedText(text, both).length).toBeLessThan(text.length);
    const once = Buffer.from(`\u001b]${'0;'.repeat(500_000)}`);
    expect(strippedText(once, both)).toHaveLength(once.length - 2);
  },
);

test('a long text is cut before a character that does not fit, with a mark that is counted in', () => {
  const cut = cutText(Buffer.from('€'.repeat(400)), 100);
  expect(cut.length).toBeLessThanOrEqual(100);
  expect(cut.toString()).toMatch(/^€{25} \[… 1125 bytes cut\]$/);
});

test('a bound without room for the mark is kept too', () => {
  expect(cutText(Buffer.from('x'.repeat(50)), 10).toString()).toBe('x'.repeat(10));
  expect(cutText(Buffer.from('€€€€'), 4).toString()).toBe('€');
  expect(cutText(Buffer.from('xyz'), -5)).toHaveLength(0);
  expect(cutText(Buffer.from(''), -5)).toHaveLength(0);
});

test('no bound is ever passed', () => {
  fc.assert(
    fc.property(
      fc.uint8Array({ maxLength: 300 }),
      fc.integer({ min: 0, max: 300 }),
      (text, max) => {
        expect(cutText(Buffer.from(text), max).length).toBeLessThanOrEqual(max);
      },
    ),
  );
});

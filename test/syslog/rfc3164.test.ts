import { expect, test } from 'vitest';
import { fromRfc3164 } from '../../src/syslog/rfc3164.ts';

const nowMs = Date.UTC(2026, 1, 6, 12);
const token = 't.feff49f1-4d55-4c9e-aee1-2d2b10e69b42';

function translated(message: string, atMs = nowMs): string | undefined {
  return fromRfc3164(Buffer.from(message), atMs)?.toString();
}

test.each<[string, string]>([
  [
    '<34>Feb  5 17:32:18 mymachine su[12]: ok',
    '<34>1 2026-02-05T17:32:18+00:00 mymachine su 12 - - ok',
  ],
  ['<34>Feb  5 17:32:18 mymachine su: ok', '<34>1 2026-02-05T17:32:18+00:00 mymachine su - - - ok'],
  [
    `<13>Feb  5 17:32:18 h ${token}[web.1]: x`,
    `<13>1 2026-02-05T17:32:18+00:00 h ${token} web.1 - - x`,
  ],
  ['<13>Feb  5 17:32:18 su: no host', '<13>1 2026-02-05T17:32:18+00:00 - su - - - no host'],
  ['<13>Feb  5 17:32:18 ::1 su: v6', '<13>1 2026-02-05T17:32:18+00:00 ::1 su - - - v6'],
  [
    '<13>Feb  5 17:32:18 2001:db8::a:1 su[7]: v6',
    '<13>1 2026-02-05T17:32:18+00:00 2001:db8::a:1 su 7 - - v6',
  ],
  ['<13>Feb  5 17:32:18 a b:no space', '<13>1 2026-02-05T17:32:18+00:00 a b - - - no space'],
  [
    '<13>Feb  5 17:32:18 a b:   spaces stay  ',
    '<13>1 2026-02-05T17:32:18+00:00 a b - - -   spaces stay  ',
  ],
  ['<13>Feb  5 17:32:18 a b:', '<13>1 2026-02-05T17:32:18+00:00 a b - - - '],
  ['<13>Feb  5 17:32:18 a b: two\nlines', '<13>1 2026-02-05T17:32:18+00:00 a b - - - two\nlines'],
  ['<13>Feb 5 01:02:03 a b: one space', '<13>1 2026-02-05T01:02:03+00:00 a b - - - one space'],
  [
    '<14>2026-02-05T17:32:18.123456+01:00 pod app[7]: as Docker sends it',
    '<14>1 2026-02-05T17:32:18.123456+01:00 pod app 7 - - as Docker sends it',
  ],
])('%s', (message, expected) => {
  expect(translated(message)).toBe(expected);
});

test('bytes of the text stay as they are', () => {
  const text = Buffer.from([0x00, 0x1b, 0xff, 0xe2, 0x82, 0x20, 0x0d]);
  const message = Buffer.concat([Buffer.from('<13>Feb  5 17:32:18 a b: '), text]);
  const result = fromRfc3164(message, nowMs) ?? Buffer.alloc(0);
  expect(result.subarray(-text.length)).toEqual(text);
});

test.each([
  '<192>Feb  5 17:32:18 a b: c',
  '<999>Feb  5 17:32:18 a b: c',
  '<1234>Feb  5 17:32:18 a b: c',
  '<>Feb  5 17:32:18 a b: c',
  'Feb  5 17:32:18 a b: c',
  '<13>Feb 30 17:32:18 a b: c',
  '<13>Apr 31 17:32:18 a b: c',
  '<13>Feb  0 17:32:18 a b: c',
  '<13>Feb  5 24:00:00 a b: c',
  '<13>Feb  5 17:60:00 a b: c',
  '<13>feb  5 17:32:18 a b: c',
  '<13>Feb  5 17:32:18',
  '<13>2 2026-02-05T17:32:18Z a b - - c',
  '<189>65536: *Mar 1 00:00:00 x y: z',
  'text <13>Feb  5 17:32:18 a b: c',
  '  at java.lang.Thread.run(Thread.java:748)',
  '',
])('is no BSD message: %s', (message) => {
  expect(translated(message)).toBeUndefined();
});

test('without a readable TAG all of it is text', () => {
  const head = '<13>1 2026-02-05T17:32:18+00:00 - - - - -';
  const untagged = [
    '10.0.0.99 Use the BFG!',
    'mymachine su no colon',
    // The package would find its pattern here, in the text.
    'a b Feb  5 17:32:18 evil su: text',
    'a b Jan  1 00:00:00 a b: text',
    'a <13>Jan  1 00:00:00 a t: text',
  ];
  for (const text of untagged) {
    expect(translated(`<13>Feb  5 17:32:18 ${text}`)).toBe(`${head} ${text}`);
  }
});

test('a time without a year is in the year in which it is nearest', () => {
  const year = (time: string, atMs: number): string | undefined =>
    translated(`<13>${time} a b: c`, atMs)?.slice(6, 31);
  const newYear = Date.UTC(2026, 0, 1, 0, 0, 5);
  expect(year('Dec 31 23:59:59', newYear)).toBe('2025-12-31T23:59:59+00:00');
  expect(year('Jan  1 00:00:01', newYear)).toBe('2026-01-01T00:00:01+00:00');
  expect(year('Jan  1 00:00:01', Date.UTC(2025, 11, 31, 23, 59))).toBe('2026-01-01T00:00:01+00:00');
  // Read on the last of a month, when the package's own dates roll over.
  expect(year('Feb  5 00:00:01', Date.UTC(2026, 0, 31))).toBe('2026-02-05T00:00:01+00:00');
  expect(year('Feb 29 00:00:01', Date.UTC(2028, 2, 1))).toBe('2028-02-29T00:00:01+00:00');
  expect(translated('<13>Feb 29 00:00:01 a b: c', Date.UTC(2026, 2, 1))).toBe(
    '<13>1 - a b - - - c',
  );
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { StoredRecord } from '../../src/bus/bus.ts';
import { cutRecord } from '../../src/tail/record-slice.ts';
import { jsonOf, ownLine, textOf } from '../../src/tail/tail-line.ts';
import { notices } from '../../src/core/notices.ts';
import { linesRecord } from '../support/records.ts';
import type { SeenLine } from './tail-kit.ts';

const time = '2012-12-10T03:00:48.123456Z';
const header = `<190>1 ${time} 1.2.3.4 app web.1 - `;

function stored(messages: readonly (string | Buffer)[], appSeq = 0): StoredRecord {
  const frames = Buffer.concat(
    messages.flatMap((message) => {
      const bytes = Buffer.from(message as string);
      return [Buffer.from(`${bytes.length} `), bytes];
    }),
  );
  return {
    record: linesRecord(7, [], { frames, lines: messages.length }),
    position: { logId: 'feedfacefeedface', partition: 0, offset: 5, line: 0 },
    appSeq,
    previous: null,
  };
}

function text(...messages: (string | Buffer)[]): string {
  return textOf(cutRecord(stored(messages), 0, Infinity, Infinity)).toString('latin1');
}

function json(...messages: (string | Buffer)[]): SeenLine[] {
  const bytes = jsonOf(cutRecord(stored(messages), 0, Infinity, Infinity));
  return (JSON.parse(bytes.toString()) as { lines: SeenLine[] }).lines;
}

test.each([
  ['a line as logplex shows it', '- Logsplat test message 1\n', 'Logsplat test message 1\n'],
  ['newlines within the text', '- a\nb\n', 'a\nb\n'],
  ['CR LF', '- a\r\n', 'a\r\n'],
  ['an LF where there is none', '- a', 'a\n'],
  ['an empty text', '- ', '\n'],
  ['an empty text with LF', '- \n', '\n'],
  ['no text at all', '-', '\n'],
  ['no text at all, with LF', '-\n', '\n'],
  ['a text that begins with a space', '-  a', ' a\n'],
  ['structured data, which is not shown', '[meta sequenceId="518"] a', 'a\n'],
  ['a text without structured data', 'a', 'a\n'],
  ['NUL', '- a\0b\n', 'a\0b\n'],
  ['colour', '- \u001b[36mweb.1\u001b[0m\n', '\u001b[36mweb.1\u001b[0m\n'],
])('shows %s', (_what, rest, shown) => {
  expect(text(header + rest)).toBe(`${time} app[web.1]: ${shown}`);
});

test('keeps bytes that are not UTF-8', () => {
  const message = Buffer.from(`${header}- \xff\xfe\x80`, 'latin1');
  expect(text(message)).toBe(`${time} app[web.1]: \xff\xfe\x80\n`);
});

test('shows NIL fields and odd process names as they are', () => {
  expect(text(`<190>1 - - - - - - hi`)).toBe('- -[-]: hi\n');
  expect(text(`<190>1 ${time} h app b'app-6f5d-9gwb' - - hi`)).toBe(
    `${time} app[b'app-6f5d-9gwb']: hi\n`,
  );
});

test('shows one line for each message, also where texts end in digits', () => {
  const messages = [`${header}- 1`, `${header}- 22\n`, `${header}- 333`];
  expect(text(...messages)).toBe(
    `${time} app[web.1]: 1\n${time} app[web.1]: 22\n${time} app[web.1]: 333\n`,
  );
});

test('copies long fields and texts whole', () => {
  const long = 'p'.repeat(300);
  expect(text(`<190>1 ${time} h app ${long} - - ${long}${long}`)).toBe(
    `${time} app[${long}]: ${long}${long}\n`,
  );
});

test('shows a stored message without a readable header as it is, rather than nothing', () => {
  expect(text('gibberish', `${header}- a`)).toBe(`gibberish\n${time} app[web.1]: a\n`);
});

test('words L11 as logplex does', () => {
  const since = Date.UTC(2024, 0, 2, 3, 4, 0);
  expect(ownLine(notices.tailOverflow(7, since), since + 5000).toString()).toBe(
    '2024-01-02T03:04:05+00:00 logplex[1]: Error L11 (Tail buffer overflow) -> This tail session dropped 7 messages since 2024-01-02T03:04:00+00:00.\n',
  );
});

test('gives websockets the structure of a line', () => {
  expect(json(`${header}- hi\n`)).toEqual([
    {
      position: 'feedfacefeedface-0-5-0',
      time,
      source: 'app',
      process: 'web.1',
      severity: 6,
      message: 'hi',
    },
  ]);
});

test('gives each line its own position, also in a slice', () => {
  const record = stored([`${header}- a`, `${header}- b`, `${header}- c`], 10);
  const slices = cutRecord(record, 11, Infinity, Infinity);
  const { lines } = JSON.parse(jsonOf(slices).toString()) as { lines: SeenLine[] };
  expect(lines.map(({ position, message }) => [position.slice(-3), message])).toEqual([
    ['5-1', 'b'],
    ['5-2', 'c'],
  ]);
});

test('adds the raw bytes where the text is not UTF-8', () => {
  const [line] = json(Buffer.from(`${header}- a\xffb\n`, 'latin1'));
  expect(line?.message).toBe('a\ufffdb');
  expect(Buffer.from(line?.base64 ?? '', 'base64')).toEqual(Buffer.from('a\xffb', 'latin1'));
});

test('takes one LF off a message for websockets, and no more', () => {
  expect(json(`${header}- a\n\n`, `${header}- \n`, `${header}-\n`).map((l) => l.message)).toEqual([
    'a\n',
    '',
    '',
  ]);
});

test('gives a stored message without a readable header as text without fields', () => {
  expect(json('gibberish')).toMatchObject([{ time: null, severity: null, message: 'gibberish' }]);
});

test('cuts a record into slices that lose and repeat nothing', () => {
  const texts = fc.array(fc.string({ maxLength: 80 }), { minLength: 1, maxLength: 30 });
  fc.assert(
    fc.property(
      texts,
      fc.nat(30),
      fc.nat(40),
      fc.integer({ min: 1, max: 400 }),
      (all, from, to, max) => {
        const messages = all.map((message) => `${header}- ${message}`);
        const record = stored(messages, 1000);
        const slices = cutRecord(record, 1000 + from, 1000 + to, max);
        const expected = messages.slice(from, to);
        expect(textOf(slices).toString()).toBe(
          expected.length > 0 ? Buffer.from(text(...expected), 'latin1').toString() : '',
        );
        let seq = 1000 + from;
        for (const slice of slices) {
          expect(slice.seq).toBe(seq);
          expect(slice.lines === 1 || slice.end - slice.start <= max).toBe(true);
          seq += slice.lines;
        }
      },
    ),
  );
});

test('never writes more text than there were bytes of frames', () => {
  const visible = fc.stringMatching(/^[!-~]{1,60}$/);
  fc.assert(
    fc.property(visible, visible, fc.uint8Array({ maxLength: 100 }), (source, process, message) => {
      const head = Buffer.from(`<0>1 ${source} h ${source} ${process} - `);
      const record = stored([Buffer.concat([head, message])]);
      const slices = cutRecord(record, 0, Infinity, Infinity);
      expect(textOf(slices).length).toBeLessThan(record.record.frames.length);
    }),
  );
});

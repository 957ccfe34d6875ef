import fc from 'fast-check';
import { expect, test } from 'vitest';
import { notices } from '../../../src/core/notices.ts';
import { FrameBuilder } from '../../../src/drains/formats/frame-builder.ts';
import {
  logplexDialect,
  rfc5424Dialect,
  SyslogEncoder,
} from '../../../src/drains/formats/syslog-encoder.ts';
import { stored } from './format-kit.ts';

const token = 'd.fc6b856b-3332-4546-93de-7d0ee272c3bd';
const noLimits = { bytesMax: Infinity, linesMax: Infinity };

function encode(
  format: 'logplex' | 'rfc5424',
  messages: (string | Buffer)[],
  framing: 'octet' | 'lf' = 'octet',
): string {
  const dialect = format === 'logplex' ? logplexDialect() : rfc5424Dialect(token);
  const out = new FrameBuilder();
  out.begin(noLimits);
  const record = stored(...messages);
  new SyslogEncoder({ dialect, framing }).encode(record, 0, messages.length, out);
  return out.take().toString('latin1');
}

/** A message with its count, which is right by construction: one byte a character. */
function counted(message: string): string {
  return `${message.length} ${message}`;
}

const line = '<134>1 2012-12-10T03:00:48.123456Z erlang app console.1 - - Logsplat test message 1';

test("logplex's own HTTPS bytes come out, but for the LF inside the count", () => {
  expect(encode('logplex', [line])).toBe(
    '80 <134>1 2012-12-10T03:00:48.123456Z host app console.1 - Logsplat test message 1\n',
  );
});

test("logplex's own syslog bytes come out", () => {
  expect(encode('rfc5424', [line])).toBe(
    `116 <134>1 2012-12-10T03:00:48.123456Z ${token} app console.1 - - Logsplat test message 1\n`,
  );
  expect(encode('rfc5424', ['<134>1 T erlang app web.1 - - m1\n'])).toBe(
    counted(`<134>1 T ${token} app web.1 - - m1\n`),
  );
});

test('an LF that ends the message is not doubled, and one inside stays', () => {
  expect(encode('logplex', ['<1>1 T h a p - - one\ntwo\n'])).toBe(
    counted('<1>1 T host a p - one\ntwo\n'),
  );
});

test('PRI and text are copied byte for byte', () => {
  const text = Buffer.from([0x00, 0x1b, 0xff, 0xe2, 0x82, 0x07]);
  const encoded = encode('logplex', [
    Buffer.concat([Buffer.from("<007>1 T h app b'pod' - - "), text]),
  ]);
  expect(encoded).toBe(counted(`<007>1 T host app b'pod' - ${text.toString('latin1')}\n`));
});

test('a message without text is an empty line', () => {
  expect(encode('logplex', ['<1>1 - - - - -'])).toBe(counted('<1>1 - host - - - \n'));
  expect(encode('rfc5424', ['<1>1 - - - - - -\n'])).toBe(counted(`<1>1 - ${token} - - - - \n`));
});

test('structured data and msgid of the sender give way to nil', () => {
  expect(encode('rfc5424', ['<1>1 T h a p ID7 [x@1 y="z"] text'])).toBe(
    counted(`<1>1 T ${token} a p - - text\n`),
  );
});

test('text that begins like structured data stays text', () => {
  expect(encode('rfc5424', ['<1>1 T h a p - [info] up'])).toContain(' a p - - [info] up\n');
});

test('rfc5424 cuts the fraction of TIME at six digits, whatever the zone', () => {
  const cut = (time: string): string | undefined =>
    encode('rfc5424', [`<1>1 ${time} h a p - - m`]).split(' ')[2];
  expect(cut('2026-01-01T00:00:00.123456789Z')).toBe('2026-01-01T00:00:00.123456Z');
  expect(cut('2026-01-01T00:00:00.1234567+02:00')).toBe('2026-01-01T00:00:00.123456+02:00');
  expect(cut('2026-01-01T00:00:00.123456Z')).toBe('2026-01-01T00:00:00.123456Z');
  expect(cut('2026-01-01T00:00:00.1Z')).toBe('2026-01-01T00:00:00.1Z');
  expect(cut('2026-01-01T00:00:00Z')).toBe('2026-01-01T00:00:00Z');
  expect(cut('-')).toBe('-');
});

test('rfc5424 cuts APP-NAME at 48 and PROCID at 128 bytes, logplex does not', () => {
  const app = 'a'.repeat(60);
  const proc = 'p'.repeat(140);
  const long = [`<1>1 T h ${app} ${proc} - - m`];
  expect(encode('rfc5424', long)).toContain(` ${'a'.repeat(48)} ${'p'.repeat(128)} - - m\n`);
  expect(encode('logplex', long)).toContain(` ${app} ${proc} - m\n`);
});

test('with LF framing a message is one line without count', () => {
  expect(encode('rfc5424', ['<1>1 T h a p - - one\ntwo\n', '<1>1 T h a p - - x'], 'lf')).toBe(
    `<1>1 T ${token} a p - - one two\n<1>1 T ${token} a p - - x\n`,
  );
});

test('the count is right for every length of text', () => {
  fc.assert(
    fc.property(fc.array(fc.uint8Array({ maxLength: 2000 }), { minLength: 1 }), (texts) => {
      const messages = texts.map((text) =>
        Buffer.concat([Buffer.from('<14>1 T h app web.1 - - '), text]),
      );
      const encoded = Buffer.from(encode('rfc5424', messages), 'latin1');
      let at = 0;
      for (const text of texts) {
        const space = encoded.indexOf(0x20, at);
        const end = space + 1 + Number(encoded.toString('latin1', at, space));
        const body = encoded.subarray(space + 1, end);
        const head = Buffer.from(`<14>1 T ${token} app web.1 - - `);
        const lf = text.at(-1) === 0x0a ? [] : [0x0a];
        expect(body.equals(Buffer.concat([head, text, Buffer.from(lf)]))).toBe(true);
        at = end;
      }
      expect(at).toBe(encoded.length);
    }),
    { numRuns: 50 },
  );
});

test('stops before the message that would pass a limit, and goes on there', () => {
  const encoder = new SyslogEncoder({ dialect: logplexDialect(), framing: 'octet' });
  const record = stored(...['a', 'b', 'c', 'd'].map((text) => `<1>1 T h a p - - ${text}`));
  const out = new FrameBuilder();
  const oneBytes = '22 <1>1 T host a p - a\n'.length - 1;

  out.begin({ bytesMax: 2 * (oneBytes + 1), linesMax: Infinity });
  expect(encoder.encode(record, 0, 4, out)).toBe(2);
  const first = out.take().toString();
  out.begin({ bytesMax: Infinity, linesMax: 1 });
  expect(encoder.encode(record, 2, 4, out)).toBe(3);
  const second = out.take().toString();
  out.begin(noLimits);
  expect(encoder.encode(record, 3, 4, out)).toBe(4);
  expect(first + second + out.take().toString()).toBe(
    encode(
      'logplex',
      ['a', 'b', 'c', 'd'].map((text) => `<1>1 T h a p - - ${text}`),
    ),
  );
});

test('a batch takes its first message however large it is', () => {
  const encoder = new SyslogEncoder({ dialect: logplexDialect(), framing: 'octet' });
  const record = stored(`<1>1 T h a p - - ${'x'.repeat(500)}`, '<1>1 T h a p - - y');
  const out = new FrameBuilder();
  out.begin({ bytesMax: 100, linesMax: 10 });
  expect(encoder.encode(record, 0, 2, out)).toBe(1);
  expect(out.messages).toBe(1);
  expect(out.isFull).toBe(true);
});

test('lines that the filter does not want are counted and left out', () => {
  const encoder = new SyslogEncoder({ dialect: logplexDialect(), framing: 'octet' });
  const record = stored('<11>1 T h a p - - x', '<14>1 T h a p - - y', '<11>1 T h a p - - z');
  const out = new FrameBuilder();
  out.begin(noLimits);
  expect(encoder.encode(record, 0, 3, out, (header) => header.severity <= 3)).toBe(3);
  expect(out.messages).toBe(2);
  expect(out.filtered).toBe(1);
  expect(out.take().toString()).toMatch(/x\n.*z\n$/s);
});

test("the drain's own L10 has logplex's bytes in each format", () => {
  const text = notices.drainOverflow(3, Date.UTC(2012, 6, 23, 0, 6, 26));
  const atMs = Date.UTC(2012, 6, 23, 0, 7, 0);
  const notice = (dialect: ReturnType<typeof logplexDialect>): string => {
    const out = new FrameBuilder();
    out.begin({ bytesMax: 1, linesMax: 1 });
    new SyslogEncoder({ dialect, framing: 'octet' }).encodeNotice(text, atMs, out);
    expect(out.messages).toBe(1);
    return out.take().toString();
  };
  const rest =
    'Error L10 (output buffer overflow): 3 messages dropped since 2012-07-23T00:06:26+00:00.\n';
  expect(notice(logplexDialect())).toBe(
    `143 <172>1 2012-07-23T00:07:00+00:00 host heroku logplex - ${rest}`,
  );
  expect(notice(rfc5424Dialect('d.x'))).toBe(
    `144 <172>1 2012-07-23T00:07:00+00:00 d.x heroku logplex - - ${rest}`,
  );
});

const untouched = { stripAnsi: false, stripPrefix: false, messageBytesMax: Infinity };

function encodeTamed(
  dialect: ReturnType<typeof logplexDialect>,
  text: Partial<typeof untouched>,
  messages: (string | Buffer)[],
): string {
  const out = new FrameBuilder();
  out.begin(noLimits);
  const record = stored(...messages);
  const rules = { ...untouched, ...text };
  const encoder = new SyslogEncoder({ dialect, framing: 'octet', text: rules });
  expect(encoder.encode(record, 0, messages.length, out)).toBe(messages.length);
  return out.take().toString('latin1');
}

test('structured data can be the same in every message', () => {
  const dialect = rfc5424Dialect('h', '[t@1 tag="x"]');
  expect(
    encodeTamed(dialect, {}, ['<1>1 T h a p - [own@1 y="z"] one', '<1>1 T h a p - - two']),
  ).toBe(
    counted('<1>1 T h a p - [t@1 tag="x"] one\n') + counted('<1>1 T h a p - [t@1 tag="x"] two\n'),
  );
});

test('colours can go, and the count is that of what is left', () => {
  const colour = '\u001b[31m';
  const messages = [
    `<1>1 T h a p - - ${colour}red\n`,
    '<1>1 T h a p - - plain',
    `<1>1 T h a p - [info] ${colour}`,
  ];
  expect(encodeTamed(logplexDialect(), { stripAnsi: true }, messages)).toBe(
    ['red', 'plain', '[info] '].map((text) => counted(`<1>1 T host a p - ${text}\n`)).join(''),
  );
});

test('a text that looks like structured data once it is stripped stays text', () => {
  const message = '<1>1 T h a p - \u001b[1m[x@1 y="z"] text';
  expect(encodeTamed(rfc5424Dialect('h'), { stripAnsi: true }, [message])).toBe(
    counted('<1>1 T h a p - - [x@1 y="z"] text\n'),
  );
});

test('a message beyond the bound is cut to it, its header and its LF counted in', () => {
  const long = ['<1>1 T h a p - - ' + 'x'.repeat(300), '<1>1 T h a p - - short\n'];
  const encoded = encodeTamed(rfc5424Dialect('h'), { messageBytesMax: 100 }, long);
  const [, count = '', rest = ''] = /^(\d+) ([^]*)$/.exec(encoded) ?? [];
  expect(Number(count)).toBeLessThanOrEqual(100);
  const first = Buffer.from(rest.slice(0, Number(count)), 'latin1').toString();
  expect(first).toMatch(/^<1>1 T h a p - - x{57} \[… 243 bytes cut\]\n$/);
  expect(encoded.slice(count.length + 1 + Number(count))).toBe(counted('<1>1 T h a p - - short\n'));
});

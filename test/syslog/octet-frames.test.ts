import fc from 'fast-check';
import { expect, test } from 'vitest';
import { parseFrames, type ParsedFrames } from '../../src/syslog/octet-frames.ts';
import { frame, textsOf } from '../support/records.ts';

const token = Buffer.from('t.feff49f1-4d55-4c9e-aee1-2d2b10e69b42');
const name = Buffer.from('demo');

function parse(body: string | Buffer, messageBytesMax = 10_240): ParsedFrames {
  return parseFrames(Buffer.from(body as string), { messageBytesMax, token, name });
}

/** What was kept, as texts, and how much was malformed. */
function outcome(body: string | Buffer): { texts: string[]; malformed: number } {
  const { frames, malformed, lines } = parse(body);
  const texts = textsOf(frames);
  expect(texts.length).toBe(lines);
  return { texts, malformed };
}

const a = frame('a');
const b = frame('b');
const c = frame('c');

test('hands out the body itself when all of it is good', () => {
  const body = Buffer.from(a + b + c);
  const parsed = parseFrames(body, { messageBytesMax: 10_240, token, name });
  expect(parsed.frames).toBe(body);
  expect(parsed).toMatchObject({ lines: 3, malformed: 0, cut: 0 });
  expect(body.toString('latin1', parsed.lastStart, parsed.lastEnd)).toBe(c);
});

test('does not copy good frames that lie side by side between bad ones', () => {
  const body = Buffer.from(`junk\n${a}${b}\njunk`);
  const { frames, malformed } = parseFrames(body, { messageBytesMax: 10_240, token, name });
  expect(frames.buffer).toBe(body.buffer);
  expect(frames.toString()).toBe(a + b);
  expect(malformed).toBe(2);
});

test('finds nothing in an empty body, nor in one of LFs', () => {
  expect(parse('')).toMatchObject({ lines: 0, malformed: 0 });
  expect(parse('\n\n')).toMatchObject({ lines: 0, malformed: 0 });
});

test.each([
  ['LF between and after frames', `${a}\n${b}\n\n`, ['a', 'b'], 0],
  ['a frame that is cut off at the end', a + b.slice(0, -3), ['a'], 1],
  ['a frame whose header is none', `${a}11 <34>1 hello${b}`, ['a', 'b'], 1],
  ['junk in front, up to a frame on a new line', `hello\nworld\n${a}`, ['a'], 1],
  ['junk in front without a new line', `hello ${a}`, [], 1],
  ['a leading zero', `0${a}\n${b}`, ['b'], 1],
  ['a sign', `+${a}\n${b}`, ['b'], 1],
  ['a count without space', `${a.replace(' ', '')}\n${b}`, ['b'], 1],
  ['a count behind a tab', `${a.replace(' ', '\t')}\n${b}`, ['b'], 1],
  ['a count of eight digits', `12345678 <${a}\n${b}`, ['b'], 1],
  ['a count and no <', `5 hello\n${b}`, ['b'], 1],
  ['digits alone', '123', [], 1],
  ['a zero', `${a}0 \n${b}`, ['a', 'b'], 1],
  ['PRI 192', `${a}${b.replace('<190>', '<192>')}${c}`, ['a', 'c'], 1],
  ['version 12', `16 <1>1 - - - - - -17 <2>12 A B C D E -`, ['-'], 1],
])('reads %s', (_name, body, texts, malformed) => {
  const found = parse(body);
  if (texts[0] === '-') {
    expect(found).toMatchObject({ lines: 1, malformed });
    return;
  }
  expect(outcome(body)).toEqual({ texts, malformed });
});

test('passes over a frame whose count is too large, and goes on at the next', () => {
  const long = Buffer.byteLength(a) + 20;
  const tooLarge = `${long} ${a.slice(a.indexOf(' ') + 1)}`;
  expect(outcome(tooLarge + b + c)).toEqual({ texts: ['b', 'c'], malformed: 1 });
  const beyondEnd = `9999 ${a.slice(a.indexOf(' ') + 1)}`;
  expect(outcome(beyondEnd + b + c)).toEqual({ texts: ['b', 'c'], malformed: 1 });
});

test('keeps a frame whose count is too small as it was counted, and goes on at the next line', () => {
  const message = Buffer.from('<190>1 T h app web.1 - - grüße\n');
  const characters = message.length - 2;
  const body = Buffer.concat([Buffer.from(`${characters} `), message, Buffer.from(b)]);
  const { frames, malformed, lines } = parse(body);
  expect({ malformed, lines }).toEqual({ malformed: 1, lines: 2 });
  expect(frames.toString()).toBe(`${characters} <190>1 T h app web.1 - - grüß${b}`);
});

test('keeps LF, NUL, ESC and invalid UTF-8 in texts as they are', () => {
  const message = Buffer.concat([
    Buffer.from('<190>1 T h app web.1 - - x\n12 y\0\x1b'),
    Buffer.from([0xff, 0xfe, 0x0a]),
  ]);
  const body = Buffer.concat([Buffer.from(`${message.length} `), message, Buffer.from(a)]);
  expect(parse(body).frames).toEqual(body);
});

test('replaces a header field that is the token, and never the text', () => {
  const text = `see ${token.toString()}`;
  const sent = frame('x') + frame(text, { app: token.toString() }) + frame('y');
  expect(parse(sent).frames.toString()).toBe(
    frame('x') + frame(text, { app: 'demo' }) + frame('y'),
  );
  for (const field of ['host', 'proc'] as const) {
    const { frames } = parse(frame('x', { [field]: token.toString() }));
    expect(frames.toString()).toBe(frame('x', { [field]: 'demo' }));
  }
  const everywhere = `<190>1 ${Array(5).fill(token.toString()).join(' ')} - z\n`;
  const kept = parse(`${Buffer.byteLength(everywhere)} ${everywhere}`).frames.toString();
  expect(kept).toBe('36 <190>1 demo demo demo demo demo - z\n');
});

test('does not touch a field that only has the length of the token, or contains it', () => {
  const other = 't.00000000-4d55-4c9e-aee1-2d2b10e69b42';
  const body = frame('x', { app: other }) + frame('y', { app: `${token.toString()}x` });
  expect(parse(body).frames.toString()).toBe(body);
});

test('makes room for a name that is longer than the token', () => {
  const longName = Buffer.from('n'.repeat(250));
  const body = frame('x', { app: token.toString() }).repeat(300);
  const { frames } = parseFrames(Buffer.from(body), {
    messageBytesMax: 100,
    token,
    name: longName,
  });
  expect(frames.toString()).toBe(frame('x', { app: longName.toString() }).repeat(300));
});

test('cuts a text that is too long, keeps its final LF and says how much is gone', () => {
  const { frames, cut } = parse(frame('0123456789abcdef') + a, 10);
  expect(cut).toBe(1);
  expect(frames.toString()).toBe(frame('0123456789 [… 6 bytes cut]') + a);
});

test('does not cut a text of exactly the bound, its LF not counted', () => {
  expect(parse(frame('0123456789'), 10).cut).toBe(0);
  expect(parse(frame('0123456789').replace('\n', 'x'), 10).cut).toBe(1);
});

test('cuts in front of a UTF-8 character that does not fit whole', () => {
  for (const [text, kept, gone] of [
    ['12345678é90', '12345678é', 2],
    ['123456789é0', '123456789', 3],
    ['12345678€0', '12345678', 4],
    ['1234567😀00', '1234567', 6],
    ['123456😀000', '123456😀', 3],
  ] as const) {
    expect(textsOf(parse(frame(text), 10).frames)).toEqual([`${kept} [… ${gone} bytes cut]`]);
  }
});

test('cuts at the bound where there is no UTF-8', () => {
  const message = Buffer.concat([Buffer.from('<190>1 T h app web.1 - - '), Buffer.alloc(30, 0x80)]);
  const body = Buffer.concat([Buffer.from(`${message.length} `), message]);
  expect(parse(body, 10).frames.toString('latin1')).toContain(`${'\x80'.repeat(10)} [`);
});

test('cuts and renames the same frame', () => {
  const sent = frame('0123456789abcdef', { app: token.toString(), proc: token.toString() });
  const { frames } = parse(sent, 10);
  expect(frames.toString()).toBe(
    frame('0123456789 [… 6 bytes cut]', { app: 'demo', proc: 'demo' }),
  );
});

test('keeps every line of well-formed bodies, whatever their texts', () => {
  const text = fc.uint8Array({ maxLength: 60 }).map((bytes) => Buffer.from(bytes));
  fc.assert(
    fc.property(fc.array(text, { maxLength: 20 }), (texts) => {
      const body = Buffer.concat(
        texts.flatMap((bytes) => {
          const head = Buffer.from('<190>1 T h app web.1 - - ');
          return [Buffer.from(`${head.length + bytes.length} `), head, bytes];
        }),
      );
      const parsed = parse(body);
      expect(parsed).toMatchObject({ lines: texts.length, malformed: 0 });
      expect(parsed.frames.equals(body)).toBe(true);
    }),
  );
});

test('keeps only what reads back as good frames, from any mixture', () => {
  const piece = fc.oneof(
    fc.constantFrom(a, b, frame('x\n7 <y'), frame('z', { app: token.toString() })),
    fc.constantFrom('\n', '5 ', '<', '12 <190>1 ', ' ', '9'),
    fc.string({ maxLength: 10 }),
    fc.tuple(fc.constantFrom(a, b, c), fc.nat(40)).map(([f, n]) => f.slice(0, n)),
  );
  fc.assert(
    fc.property(fc.array(piece, { maxLength: 25 }), fc.constantFrom(3, 10_240), (pieces, max) => {
      const first = parse(pieces.join(''), max);
      const again = parse(first.frames);
      expect(again).toMatchObject({ lines: first.lines, malformed: 0, cut: 0 });
      expect(again.frames.equals(first.frames)).toBe(true);
      expect(first.frames.includes(`${token.toString()} web.1`)).toBe(false);
    }),
    { numRuns: 500 },
  );
});

test('loses nothing behind junk that ends with an LF', () => {
  const junk = fc.string({ maxLength: 40 }).filter((text) => !/[\n<]/.test(text) && text !== '');
  fc.assert(
    fc.property(junk, (text) => {
      expect(outcome(`${a}${text}\n${b}`)).toEqual({ texts: ['a', 'b'], malformed: 1 });
    }),
  );
});

test('does not keep a frame whose header grows beyond its bound when the name takes the place of the token', () => {
  const longer = Buffer.from('n'.repeat(48));
  const bodyOf = (host: number, text: string): Buffer =>
    Buffer.from(frame(text, { app: token.toString(), host: 'h'.repeat(host) }) + a);
  for (const text of ['x', `[id x="${'v'.repeat(30)}] y`]) {
    for (let host = 1900; host < 2048; host++) {
      const parsed = parseFrames(bodyOf(host, text), { messageBytesMax: 50, token, name: longer });
      // What was kept must be readable for whoever reads it next, unchanged.
      const again = parseFrames(parsed.frames, { messageBytesMax: 10_240, token, name: longer });
      expect(again).toMatchObject({ lines: parsed.lines, malformed: 0 });
      expect(parsed.lines + parsed.malformed).toBe(2);
    }
  }
});

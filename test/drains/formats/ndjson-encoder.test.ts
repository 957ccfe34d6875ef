import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FrameBuilder } from '../../../src/drains/formats/frame-builder.ts';
import { NdjsonEncoder } from '../../../src/drains/formats/ndjson-encoder.ts';
import { bodyOf, line, plainText, stored } from './format-kit.ts';

const position = '0123456789abcdef-0-7-0';

function encoder(over: Partial<typeof plainText> = {}, hostname?: string): NdjsonEncoder {
  return new NdjsonEncoder({ hostname, text: { ...plainText, ...over } });
}

function object(text: string | Buffer, over = {}): Record<string, unknown> {
  return JSON.parse(bodyOf(encoder(over), stored(line(text))).text) as Record<string, unknown>;
}

test('a line is one object with these members in this order', () => {
  expect(bodyOf(encoder(), stored(line('Hello'), line('again'))).text).toBe(
    `{"time":"2026-01-01T00:00:00.123456+00:00","app":"demo","process":"web.1","host":"pod","severity":"info","message":"Hello","position":"${position}"}\n` +
      '{"time":"2026-01-01T00:00:00.123456+00:00","app":"demo","process":"web.1","host":"pod","severity":"info","message":"again","position":"0123456789abcdef-0-7-1"}\n',
  );
});

test('fields that are nil are null, and the time is that of receipt then', () => {
  const body = bodyOf(encoder(), stored('<11>1 - - - - - - x'));
  expect(JSON.parse(body.text)).toEqual({
    time: '2026-01-01T00:00:01.500Z',
    app: null,
    process: null,
    host: null,
    severity: 'err',
    message: 'x',
    position,
  });
});

test('a TIME that is none gives way to the time of receipt', () => {
  for (const time of ['T', '2026-13-01T00:00:00Z', '2026-01-01', '1767225600']) {
    const body = bodyOf(encoder(), stored(line('x', { time })));
    expect(JSON.parse(body.text)).toMatchObject({ time: '2026-01-01T00:00:01.500Z' });
  }
});

test('the owner can name the host', () => {
  expect(bodyOf(encoder({}, 'my-host'), stored(line('x'))).text).toContain('"host":"my-host"');
});

test('the members of a line that is an object are merged', () => {
  expect(object('{"level":"warn","user":{"id":7},"tags":["a"],"message":"hi"}')).toEqual({
    time: '2026-01-01T00:00:00.123456+00:00',
    app: 'demo',
    process: 'web.1',
    host: 'pod',
    severity: 'info',
    message: 'hi',
    position,
    level: 'warn',
    user: { id: 7 },
    tags: ['a'],
  });
});

test('msg is the message where there is none, and else the line itself is', () => {
  expect(object('{"msg":"hi","n":1}')).toMatchObject({ message: 'hi', n: 1 });
  expect(object('{"msg":"hi","n":1}')).not.toHaveProperty('msg');
  expect(object('{"msg":"a","message":"b"}')).toMatchObject({ msg: 'a', message: 'b' });
  expect(object('{"n":1}')).toMatchObject({ message: '{"n":1}', n: 1 });
  expect(object(` {"msg":"hi"}${' '.repeat(30)}`)).toMatchObject({ message: 'hi' });
  expect(object('{"msg":{"deep":1}}')).toMatchObject({ msg: { deep: 1 } });
});

test('a line may say its time, severity and message, but not who it is nor where it lies', () => {
  const text =
    '{"time":1700000000,"severity":"ERROR","app":"a","process":"p","host":"api.example.com","position":"0"}';
  expect(object(text)).toEqual({
    time: 1700000000,
    app: 'demo',
    process: 'web.1',
    host: 'pod',
    severity: 'ERROR',
    message: text,
    position,
    _app: 'a',
    _process: 'p',
    _host: 'api.example.com',
    _position: '0',
  });
});

test('names that JavaScript has a meaning for are names like any other', () => {
  const { text } = bodyOf(encoder(), stored(line('{"__proto__":{"x":1},"constructor":2}')));
  expect(text).toContain('"__proto__":{"x":1},"constructor":2');
});

test('numbers keep their digits', () => {
  const { text } = bodyOf(
    encoder(),
    stored(line('{"id":12345678901234567890,"f":0.12345678901234567890}')),
  );
  expect(text).toContain('"id":12345678901234567890,"f":0.12345678901234567890');
});

test.each(['[1,2]', '"text"', '7', 'null', '{"a":1', '{a:1}', '{} x', 'x {}', ''])(
  '%s is a text',
  (text) => {
    expect(object(text)).toEqual({
      time: '2026-01-01T00:00:00.123456+00:00',
      app: 'demo',
      process: 'web.1',
      host: 'pod',
      severity: 'info',
      message: text,
      position,
    });
  },
);

test('an object that is nested as deeply as a line can be is one object all the same', () => {
  const text = `{"a":${'['.repeat(5000)}${']'.repeat(5000)}}`;
  expect(object(text)['message']).toBe(text);
  const digits = `{"n":1234567890123456,"a":${'{"a":'.repeat(1500)}1${'}'.repeat(1500)}}`;
  expect(object(digits)['message']).toBe(digits);
});

test('an object that is nested more deeply than receivers read stays a text', () => {
  const nested = (levels: number): string => `{"a":${'['.repeat(levels)}${']'.repeat(levels)}}`;
  expect(object(nested(63))).toHaveProperty('a');
  expect(object(nested(64))).not.toHaveProperty('a');
  expect(object(nested(64))['message']).toBe(nested(64));
  expect(object(`{"a":[${'[],'.repeat(500)}{}],"b":"${'['.repeat(500)}"}`)).toHaveProperty('a');
});

test('a number that no double holds keeps its exponent', () => {
  expect(bodyOf(encoder(), stored(line('{"f":1e999,"g":-2E-400}'))).text).toContain(
    '"f":1e999,"g":-2E-400',
  );
});

test('bytes that are not UTF-8 are there beside their text', () => {
  const bytes = Buffer.from([0x61, 0xff, 0x00]);
  expect(object(bytes)).toMatchObject({
    message: 'a\ufffd\u0000',
    base64: bytes.toString('base64'),
  });
  expect(object(Buffer.from('{"a":"\xff"}', 'latin1'))).toMatchObject({
    base64: Buffer.from('{"a":"\xff"}', 'latin1').toString('base64'),
  });
  expect(object('Grüße')).not.toHaveProperty('base64');
});

test('what a terminal would obey and what foreman adds can go before the line is read', () => {
  const text = '\u001b[36mweb.1  | \u001b[0m{"level":"info","msg":"up"}';
  expect(object(text, { stripAnsi: true, stripPrefix: true })).toMatchObject({
    level: 'info',
    message: 'up',
  });
});

test('a text beyond the bound is cut', () => {
  expect(object('x'.repeat(100), { messageBytesMax: 50 })['message']).toBe(
    `${'x'.repeat(25)} [… 75 bytes cut]`,
  );
});

test('every line of any bytes is one line of JSON', () => {
  fc.assert(
    fc.property(
      fc.array(fc.uint8Array({ maxLength: 200 }), { minLength: 1, maxLength: 5 }),
      (texts) => {
        const { text } = bodyOf(
          encoder(),
          stored(...texts.map((bytes) => line(Buffer.from(bytes)))),
        );
        const objects = text.split('\n');
        expect(objects.pop()).toBe('');
        expect(objects).toHaveLength(texts.length);
        for (const json of objects) expect(() => JSON.parse(json) as unknown).not.toThrow();
      },
    ),
  );
});

test('stops before the object that would pass a limit, and goes on there', () => {
  const lines = stored(line('one'), line('two'), line('three'));
  const whole = bodyOf(encoder(), lines).text;
  const out = new FrameBuilder();
  const one = encoder();
  let text = '';
  for (let from = 0; from < 3;) {
    out.begin({ bytesMax: 250, linesMax: Infinity });
    const to = one.encode(lines, from, 3, out);
    expect(to).toBe(from + 1);
    one.finish();
    text += out.take().toString();
    from = to;
  }
  expect(text).toBe(whole);
});

test('lines that the filter does not want are counted and left out', () => {
  const lines = stored(line('a', { pri: 11 }), line('b'), line('c', { pri: 11 }));
  const body = bodyOf(encoder(), lines, (header) => header.severity <= 3);
  expect(body).toMatchObject({ messages: 2, filtered: 1 });
  expect(body.text).toContain('"position":"0123456789abcdef-0-7-2"');
  expect(body.text).not.toContain('"b"');
});

test("the drain's own L10 is an object without position", () => {
  const out = new FrameBuilder();
  out.begin({ bytesMax: 1, linesMax: 1 });
  encoder().encodeNotice('Error L10', Date.UTC(2026, 0, 1), out);
  expect(out.messages).toBe(1);
  expect(out.take().toString()).toBe(
    '{"time":"2026-01-01T00:00:00+00:00","app":"heroku","process":"logplex","host":"host","severity":"warning","message":"Error L10"}\n',
  );
});

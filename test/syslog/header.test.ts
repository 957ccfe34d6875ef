import fc from 'fast-check';
import { expect, test } from 'vitest';
import { Header, headerBytesMax, scanHeader } from '../../src/syslog/header.ts';

function scan(message: string | Buffer): Record<string, string> | undefined {
  const bytes = Buffer.from(message as string);
  // What lies around the message must not be looked at.
  const body = Buffer.concat([Buffer.from('<13>1 '), bytes, Buffer.from(' - - - 1>[x')]);
  const header = new Header();
  if (!scanHeader(body, 6, 6 + bytes.length, header)) return undefined;
  const part = (start: number, end: number): string => body.toString('latin1', start, end);
  return {
    pri: String(header.pri),
    time: part(header.timeStart, header.timeEnd),
    host: part(header.hostStart, header.hostEnd),
    app: part(header.appStart, header.appEnd),
    proc: part(header.procStart, header.procEnd),
    msgId: part(header.msgIdStart, header.msgIdEnd),
    sd: part(header.sdStart, header.sdEnd),
    text: part(header.messageStart, header.messageEnd),
  };
}

const fields = { pri: '34', time: 'T', host: 'h', app: 'app', proc: 'web.1', msgId: '-' };
const head = '<34>1 T h app web.1 -';

test.each([
  ['a message of NILVALUEs without text', '<34>1 - - - - - -', { sd: '-', text: '' }],
  ['a BOM, which is part of the text', `${head} - \u00ef\u00bb\u00bfhi`, { sd: '-' }],
  ['escaped quotes, brackets and backslashes', `${head} [a@1 x="q\\]\\"\\\\"] m`, { text: 'm' }],
  ['two elements side by side', `${head} [a@1 x="1"][b@1 y="2"] m`, { text: 'm' }],
  [
    'one element, and text that looks like another',
    `${head} [a@1 x="1"] [b@1 y="2"] m`,
    { sd: '[a@1 x="1"]', text: '[b@1 y="2"] m' },
  ],
  ['an element without parameters', `${head} [a@1] m`, { sd: '[a@1]', text: 'm' }],
  ['a backslash before an ordinary character', `${head} [a@1 x="\\n"] m`, { sd: '[a@1 x="\\n"]' }],
  ["logplex's HTTPS dialect", `${head} msg`, { sd: '', text: 'msg' }],
  ['that dialect with a level in brackets', `${head} [info] up`, { sd: '', text: '[info] up' }],
  ['a dash and a space as structured data', `${head} - item`, { sd: '-', text: 'item' }],
  ['a dash that begins a word as text', `${head} -17 degrees`, { sd: '', text: '-17 degrees' }],
  ['text with a bracket after the NILVALUE', `${head} - [INFO] hi`, { text: '[INFO] hi' }],
  ['an empty text', `${head} - `, { sd: '-', text: '' }],
  ['an LF as the whole text', `${head} - \n`, { sd: '-', text: '\n' }],
  ['an LF instead of the text', `${head} -\n`, { sd: '-', text: '\n' }],
  ['an LF after MSGID', `${head}\n`, { msgId: '-', sd: '', text: '\n' }],
  ['leading spaces of the text', `${head} -  a`, { text: ' a' }],
  ['LF, NUL, ESC and invalid UTF-8 in the text', `${head} - a\nb\0\x1b\u00ff`, { sd: '-' }],
  ['empty brackets as text', `${head} [] m`, { sd: '', text: '[] m' }],
  [
    'structured data that is never closed, as text',
    `${head} [a x="1 m`,
    { sd: '', text: '[a x="1 m' },
  ],
  ['glued structured data as text', `${head} [a x="1"]m`, { sd: '', text: '[a x="1"]m' }],
  [
    'structured data and an LF that is not the last byte, as text',
    `${head} [a x="1"]\nm`,
    { sd: '' },
  ],
  ['a leading zero in PRI, as logplex does', `<007>1 T h app web.1 - - m`, { pri: '7' }],
  ['the highest PRI', `<191>1 T h app web.1 - - m`, { pri: '191' }],
  ["a PROCID like b'pod'", `<34>1 T h app b'pod' - - m`, { proc: "b'pod'" }],
])('reads %s', (_name, message, expected) => {
  expect(scan(Buffer.from(message, 'latin1'))).toMatchObject(expected);
});

test('finds every part', () => {
  expect(
    scan(`${head} [meta sequenceId="518"][meta testName="bob\\]"] this is the message`),
  ).toEqual({
    ...fields,
    sd: '[meta sequenceId="518"][meta testName="bob\\]"]',
    text: 'this is the message',
  });
});

test.each([
  ['<192>1 T h app web.1 - - m'],
  ['<999>1 T h app web.1 - - m'],
  ['<>1 T h app web.1 - - m'],
  ['<0034>1 T h app web.1 - - m'],
  ['<34>2 T h app web.1 - - m'],
  ['<34>12 T h app web.1 - - m'],
  ['<34> T h app web.1 - - m'],
  ['x<34>1 T h app web.1 - - m'],
  ['34>1 T h app web.1 - - m'],
  ['<34>1 T h app web.1'],
  ['<34>1 T h app web.1 '],
  ['<34>1 T h app'],
  ['<34>1 T  h app web.1 - - m'],
  ['<34>1 T h app web\t1 - - m'],
  ['<34>1 T h\napp web.1 - - m'],
  ['<34>1 T h app web.1 -\n- m'],
  ['<34>1 '],
  ['<34>1'],
  ['<34>'],
  ['<34'],
  ['<'],
  [''],
  ['<13>Feb  5 17:32:18 10.0.0.99 Use the BFG!'],
])('refuses %j', (message) => {
  expect(scan(message)).toBeUndefined();
});

test('refuses a header that is longer than its bound, and structured data that reaches over it', () => {
  const long = 'x'.repeat(headerBytesMax);
  expect(scan(`<34>1 T ${long} app web.1 - - m`)).toBeUndefined();
  expect(scan(`<34>1 T h app web.1 ${long}`)).toBeUndefined();
  expect(scan(`${head} [a x="${long}"] m`)).toBeUndefined();
  expect(scan(`${head} ${'[a@1 x="1"]'.repeat(200)} m`)).toBeUndefined();
});

test('takes a long text in brackets for text, wherever the bound of the header falls in it', () => {
  for (const text of [
    `[${'1,'.repeat(2000)}]`,
    `[a ${'b'.repeat(3000)}]`,
    `[${'a '.repeat(1500)}]`,
  ]) {
    expect(scan(`${head} ${text}`)).toMatchObject({ sd: '', text });
  }
});

test('does not take an LF at the bound of the header for the end of the message', () => {
  const start = '<34>1 T h app web.1 ';
  const message = `${start}${'i'.repeat(headerBytesMax - start.length - 1)}\nmore`;
  expect(scan(message)).toBeUndefined();
});

test('accepts structured data that ends exactly at the bound only when a space follows', () => {
  const element = (bytes: number): string => `[a x="${'v'.repeat(bytes - 8)}"]`;
  const sd = element(headerBytesMax - head.length - 1);
  expect(scan(`${head} ${sd} m`)).toMatchObject({ sd, text: 'm' });
  expect(scan(`${head} ${sd}[b y="1"] m`)).toBeUndefined();
  expect(scan(`${head} ${sd}m`)).toMatchObject({ sd: '', text: `${sd}m` });
});

test('needs linear time for a text made to confuse', () => {
  const text = `[a${'\\]['.repeat(500)}`;
  expect(scan(`${head} ${text}`)).toMatchObject({ sd: '', text });
});

const visible = fc.stringMatching(/^[!-~]{1,40}$/);

test('gives back the parts of every well-formed message', () => {
  fc.assert(
    fc.property(
      fc.nat(191),
      fc.tuple(visible, visible, visible, visible, visible),
      fc.uint8Array({ maxLength: 300 }),
      (pri, parts, text) => {
        const raw = Buffer.from(text).toString('latin1');
        const found = scan(Buffer.from(`<${pri}>1 ${parts.join(' ')} - ${raw}`, 'latin1'));
        const [time, host, app, proc, msgId] = parts;
        expect(found).toEqual({
          pri: String(pri),
          time,
          host,
          app,
          proc,
          msgId,
          sd: '-',
          text: raw,
        });
      },
    ),
  );
});

test('never reads outside the message, whatever its bytes are', () => {
  const likely = fc.constantFrom(...'<>[]="\\- \n1aé'.split('')).map((c) => Buffer.from(c));
  const bytes = fc.array(likely, { maxLength: 80 }).map((parts) => Buffer.concat(parts));
  fc.assert(
    fc.property(bytes, fc.boolean(), (junk, isHeadGood) => {
      const message = isHeadGood ? Buffer.concat([Buffer.from(`${head} `), junk]) : junk;
      const header = new Header();
      const found = scanHeader(message, 0, message.length, header);
      if (!found) return !isHeadGood;
      const { sdStart, sdEnd, messageStart, messageEnd } = header;
      return (
        header.msgIdEnd <= sdStart &&
        sdStart <= sdEnd &&
        sdEnd <= messageStart &&
        messageStart <= messageEnd &&
        messageEnd === message.length
      );
    }),
  );
});

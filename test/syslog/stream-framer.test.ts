import fc from 'fast-check';
import { expect, test } from 'vitest';
import { StreamFramer, type FramedMessage } from '../../src/syslog/stream-framer.ts';

const keptBytesMax = 32;

/** What a stream holds, however it comes in pieces; a text that was not kept whole has its length. */
function read(...chunks: (string | Buffer)[]): string[] {
  const framer = new StreamFramer({ keptBytesMax });
  const messages = chunks.flatMap((chunk) => framer.push(Buffer.from(chunk as string)).map(shown));
  const pending = framer.pendingBytes;
  const last = framer.end();
  if (last) return [...messages, `${shown(last)} (no LF)`];
  return pending > 0 ? [...messages, '(broken)'] : messages;
}

function shown({ bytes, skippedBytes }: FramedMessage): string {
  const text = bytes.toString('latin1');
  return skippedBytes > 0 ? `${text}+${skippedBytes}` : text;
}

const octets = (text: string): string => `${Buffer.byteLength(text)} ${text}`;

test.each<[string, string, string[]]>([
  ['octet counts, nothing between', `${octets('<1>a')}${octets('<2>b c')}`, ['<1>a', '<2>b c']],
  ['octet counts with LF inside', `${octets('<1>a\n')}${octets('<2>b\n')}`, ['<1>a\n', '<2>b\n']],
  ['octet counts with LF between', `${octets('<1>a')}\n\n${octets('<2>b')}\n`, ['<1>a', '<2>b']],
  ['a counted message with LF within', octets('<1>a\nb'), ['<1>a\nb']],
  ['lines', '<1>a\n<2>b\n', ['<1>a', '<2>b']],
  ['both in one stream', `<1>a\n${octets('<2>b')}<3>c\n`, ['<1>a', '<2>b', '<3>c']],
  [
    'a line that begins with a digit',
    '1 fish\n2<\n12345678 <1>\n',
    ['1 fish', '2<', '12345678 <1>'],
  ],
  ['a count with a leading zero is none', '04 <1>a\n<2>b\n', ['04 <1>a', '<2>b']],
  ['a count that is too small', `5 <1>a bc\n${octets('<2>d')}`, ['<1>a ', 'bc', '<2>d']],
  ['a last line without LF', '<1>a\n<2>b', ['<1>a', '<2>b (no LF)']],
  ['a counted message that is cut off', `${octets('<1>a')}9 <2>b`, ['<1>a', '(broken)']],
  ['a count that is cut off', '<1>a\n12', ['<1>a', '(broken)']],
  ['nothing', '', []],
])('%s', (_, stream, messages) => {
  expect(read(stream)).toEqual(messages);
});

test('every way to cut a stream into two pieces gives the same messages', () => {
  const stream = Buffer.from(
    `${octets('<1>grüße 你好')}<2>line\n${octets('<3>x\n')}\n7 fish\n${octets('<4>end')}`,
  );
  const whole = read(stream);
  expect(whole).toHaveLength(5);
  for (let cut = 0; cut <= stream.length; cut++) {
    expect(read(stream.subarray(0, cut), stream.subarray(cut))).toEqual(whole);
  }
});

test('messages of any bytes come out as they went in, in any pieces', () => {
  // A line has no LF, and neither is empty nor looks like a count.
  const text = fc.uint8Array({ maxLength: 20 });
  const message = fc.record({ text, isLine: fc.boolean() }).map(({ text, isLine }) => {
    const bytes = Buffer.concat([Buffer.from('<9>'), text]);
    return { bytes: isLine ? bytes.map((byte) => (byte === 10 ? 32 : byte)) : bytes, isLine };
  });
  const cuts = fc.array(fc.nat(400), { maxLength: 8 });
  fc.assert(
    fc.property(fc.array(message, { maxLength: 12 }), cuts, (messages, at) => {
      const stream = Buffer.concat(
        messages.flatMap(({ bytes, isLine }) =>
          isLine ? [bytes, Buffer.from('\n')] : [Buffer.from(`${bytes.length} `), bytes],
        ),
      );
      const ends = [...at.map((cut) => Math.min(cut, stream.length)), 0, stream.length];
      ends.sort((a, b) => a - b);
      const pieces = ends.slice(1).map((end, i) => stream.subarray(ends[i], end));
      const sent = messages.map(({ bytes }) => Buffer.from(bytes).toString('latin1'));
      expect(read(...pieces)).toEqual(sent);
    }),
  );
});

test('of a long message in pieces the beginning is kept, and the rest counted', () => {
  const long = `<1>${'x'.repeat(97)}`;
  const kept = long.slice(0, keptBytesMax);
  for (const end of ['\n', '']) {
    const stream = end === '' ? octets(long) : `${long}${end}`;
    const pieces = [...stream].concat(octets('<2>b'));
    expect(read(...pieces)).toEqual([`${kept}+${100 - keptBytesMax}`, '<2>b']);
  }
  const counted = octets(`${long}\n`);
  expect(read(counted.slice(0, 50), counted.slice(50))).toEqual([`${kept}+${100 - keptBytesMax}`]);
  expect(read(long, 'y')).toEqual([`${kept}+${101 - keptBytesMax} (no LF)`]);
  expect(read(counted.slice(0, 60))).toEqual(['(broken)']);
});

test('remembers no more than the bound, and says how much has come', () => {
  const framer = new StreamFramer({ keptBytesMax });
  for (let i = 0; i < 1000; i++) expect(framer.push(Buffer.from('xxxxxxxxxx'))).toEqual([]);
  expect(framer.pendingBytes).toBe(10_000);
  expect(framer.push(Buffer.from('\n'))[0]?.bytes).toHaveLength(keptBytesMax);
  expect(framer.pendingBytes).toBe(0);
});

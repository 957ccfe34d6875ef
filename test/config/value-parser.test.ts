import fc from 'fast-check';
import { expect, test } from 'vitest';
import {
  byteSize,
  duration,
  httpUrl,
  listenAddress,
  networks,
  wholeNumber,
} from '../../src/config/value-parser.ts';

test.each([
  ['1', 1],
  ['8388608', 8_388_608],
  ['8MiB', 8_388_608],
  ['8 mib', 8_388_608],
  ['8M', 8_388_608],
  ['1.5K', 1_536],
  ['2KB', 2_000],
  ['10GiB', 10_737_418_240],
  ['1G', 1_073_741_824],
])('reads the size %s as %d bytes', (text, bytes) => {
  expect(byteSize(0)(text)).toEqual({ ok: true, value: bytes });
});

test.each(['', '-1', '8MiBs', 'MiB', '1e3', '0x10', '8,5M', '1TiB'])(
  'refuses the size %j',
  (text) => {
    expect(byteSize(0)(text).ok).toBe(false);
  },
);

test('holds sizes and numbers to their bounds', () => {
  expect(byteSize(1024)('1023')).toEqual({
    ok: false,
    problem: 'is 1023 bytes, but must be at least 1024',
  });
  expect(wholeNumber(0, 10)('11')).toEqual({ ok: false, problem: 'is 11, but must be at most 10' });
  expect(wholeNumber(0, 10)('1.5').ok).toBe(false);
});

test('turns durations into milliseconds', () => {
  expect(duration('hours', 0, 1_000)('168')).toEqual({ ok: true, value: 604_800_000 });
  expect(duration('seconds', 0, 60)('0.25')).toEqual({ ok: true, value: 250 });
  expect(duration('seconds', 0, 60)('61').ok).toBe(false);
});

test.each(['127.0.0.1:8080', 'localhost:0', '0.0.0.0:65535', '[::]:1'])('listens on %s', (text) => {
  expect(listenAddress(text).ok).toBe(true);
});

test.each(['8080', ':8080', '::1:8080', '[127.0.0.1]:1', 'h:65536', 'h:', 'http://h:1', 'a b:1'])(
  'does not listen on %j',
  (text) => {
    expect(listenAddress(text).ok).toBe(false);
  },
);

test.each(['ftp://h', 'h', 'http://u:p@h', 'http://h/?q', 'http://h/#f', 'http://h\n'])(
  'tells clients no such URL as %j',
  (text) => {
    expect(httpUrl(text).ok).toBe(false);
  },
);

test('takes any IPv4 or IPv6 network, and nothing else', () => {
  fc.assert(
    fc.property(fc.ipV4(), fc.ipV6(), fc.nat(32), fc.nat(128), (v4, v6, p4, p6) => {
      const text = `${v4}/${p4},${v6}/${p6}`;
      expect(networks(text)).toEqual({ ok: true, value: text.split(',') });
    }),
  );
  for (const text of [
    '10.0.0.0/-1',
    '10.0.0/8',
    '::/129',
    'fe80::1%eth0/64',
    '1.2.3.4/8/8',
    '/8',
  ]) {
    expect(networks(text).ok).toBe(false);
  }
});

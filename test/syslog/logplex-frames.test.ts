import { expect, test } from 'vitest';
import { readAsLogplex } from '../../src/syslog/logplex-frames.ts';

test.each([
  ['', 0, false],
  ['5 hello', 1, false],
  ['5 hello5 world', 2, false],
  ['5 hel', 0, false],
  [`10240 ${'A'.repeat(10_240)}`, 1, false],
  [`10241 ${'A'.repeat(10_241)}`, 0, false],
  [`10241 ${'A'.repeat(10_240)}\n5 hello`, 0, true],
  ['hello\n', 0, true],
  ['hello\r\nfoo', 0, true],
  ['0 \n', 0, true],
  ['05 hello\n', 0, true],
  ['+5 hello\n', 0, true],
  ['5hello\n', 0, true],
  ['5\thello\n', 0, true],
  ['5 hello\n5 world', 1, true],
  ['5 hello\n', 1, true],
  ['5 hello ', 1, false],
  ['123', 0, false],
  ['-1 a', 0, false],
  ['5 hello0 5 world', 1, false],
  ['3 a\0b', 1, false],
  ['99999999999999999999 a\n', 0, true],
  ['99999999999999999999', 0, false],
  ['9 hello5 world', 1, false],
  ['3 hello5 world\n', 1, true],
] as const)('reads %j as logplex does', (body, frames, hasMalformed) => {
  expect(readAsLogplex(Buffer.from(body, 'latin1'))).toEqual({ frames, hasMalformed });
});

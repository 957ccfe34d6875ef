import { expect, test } from 'vitest';
import { DrainGate } from '../../src/drains/drain-gate.ts';
import { AddressPolicy } from '../../src/drains/egress/address-policy.ts';

const gate = new DrainGate({
  plain: false,
  insecure: false,
  addresses: new AddressPolicy({ allow: [] }),
});

test('an acceptable URL comes back canonical, masked, and with its options apart', () => {
  expect(gate.check('https://u:secret@Logs.example.com:443/in#format=rfc5424&gzip=1')).toEqual({
    ok: true,
    spec: {
      url: 'https://u:secret@logs.example.com/in',
      masked: 'https://u:***@logs.example.com/in',
      options: { format: 'rfc5424', gzip: true },
    },
  });
});

test('all problems of a URL are told at once', () => {
  expect(gate.check('https://u:secret@127.0.0.1:22/#x=1')).toEqual({
    ok: false,
    problems: ['address is not public', 'port is not allowed', 'unknown option "x"'],
  });
});

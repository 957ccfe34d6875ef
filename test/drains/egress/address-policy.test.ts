import fc from 'fast-check';
import { expect, test } from 'vitest';
import { ConfigError } from '../../../src/core/errors.ts';
import { AddressPolicy } from '../../../src/drains/egress/address-policy.ts';

const policy = new AddressPolicy({ allow: [] });

/**
 * An oracle of its own: the ranges of IANA's special-purpose registries as inclusive bounds, written out, and
 * compared as numbers.
 */
const special4: [number, number][] = [
  [0x00000000, 0x00ffffff],
  [0x0a000000, 0x0affffff],
  [0x64400000, 0x647fffff],
  [0x7f000000, 0x7fffffff],
  [0xa83f8110, 0xa83f8110],
  [0xa9fe0000, 0xa9feffff],
  [0xac100000, 0xac1fffff],
  [0xc0000000, 0xc00000ff],
  [0xc0000200, 0xc00002ff],
  [0xc0586300, 0xc05863ff],
  [0xc0a80000, 0xc0a8ffff],
  [0xc6120000, 0xc613ffff],
  [0xc6336400, 0xc63364ff],
  [0xcb007100, 0xcb0071ff],
  [0xe0000000, 0xffffffff],
];

const special6: [bigint, bigint][] = [
  [0n, 0x1fffffff_ffffffff_ffffffff_ffffffffn],
  [0x20010000_00000000_00000000_00000000n, 0x200101ff_ffffffff_ffffffff_ffffffffn],
  [0x20010db8_00000000_00000000_00000000n, 0x20010db8_ffffffff_ffffffff_ffffffffn],
  [0x20020000_00000000_00000000_00000000n, 0x2002ffff_ffffffff_ffffffff_ffffffffn],
  [0x3fff0000_00000000_00000000_00000000n, 0x3fff0fff_ffffffff_ffffffff_ffffffffn],
  [0x40000000_00000000_00000000_00000000n, (1n << 128n) - 1n],
];

function isPublic4(address: number): boolean {
  return !special4.some(([from, to]) => address >= from && address <= to);
}

function isPublic6(address: bigint): boolean {
  const inner = Number(address & 0xffffffffn);
  const prefix = address >> 32n;
  if (prefix === 0xffffn || prefix === 0x64ff9b_00000000_00000000n) return isPublic4(inner);
  if (special6.some(([from, to]) => address >= from && address <= to)) return false;
  const isatap = (prefix & 0xfdffffffn) === 0x5efen;
  return !isatap || isPublic4(inner);
}

function text4(address: number): string {
  return [24, 16, 8, 0].map((shift) => (address >>> shift) & 0xff).join('.');
}

function text6(address: bigint): string {
  const hex = address.toString(16).padStart(32, '0');
  return (hex.match(/.{4}/g) ?? []).join(':');
}

const anyAddress4 = fc.oneof(
  fc.nat(0xffffffff),
  // Around every edge of the table.
  fc
    .constantFrom(...special4.flat())
    .chain((edge) =>
      fc.integer({ min: -2, max: 2 }).map((step) => (edge + step + 2 ** 32) % 2 ** 32),
    ),
);

const anyAddress6 = fc.oneof(
  fc.bigInt({ min: 0n, max: (1n << 128n) - 1n }),
  fc.bigInt({ min: 0x2n << 124n, max: (0x4n << 124n) - 1n }),
  fc
    .constantFrom(...special6.flat())
    .chain((edge) =>
      fc.integer({ min: -2, max: 2 }).map((step) => BigInt.asUintN(128, edge + BigInt(step))),
    ),
  // An IPv4 address within each kind of IPv6 address that can carry one.
  fc
    .tuple(
      fc.constantFrom(
        0n,
        0xffffn,
        0x64ff9b_00000000_00000000n,
        0x64ff9b_00010000_00000000n,
        0x20014860_00000000_00005efen,
        0x20014860_00000000_02005efen,
        0xfe800000_00000000_00005efen,
        0x20010000_00000000_00000000n,
      ),
      anyAddress4,
    )
    .map(([prefix, inner]) => (prefix << 32n) | BigInt(inner)),
  anyAddress4.map((inner) => (0x2002n << 112n) | (BigInt(inner) << 80n)),
);

test('IPv4 is judged as the registry says', () => {
  fc.assert(
    fc.property(anyAddress4, (address) => {
      expect(policy.judge(text4(address))).toBe(isPublic4(address) ? 'public' : 'refused');
    }),
    { numRuns: 3000 },
  );
});

test('IPv6 is judged as the registry says, with what is inside', () => {
  fc.assert(
    fc.property(anyAddress6, (address) => {
      expect(policy.judge(text6(address))).toBe(isPublic6(address) ? 'public' : 'refused');
    }),
    { numRuns: 3000 },
  );
});

test.each([
  '127.0.0.1',
  '169.254.169.254',
  '100.100.100.200',
  '168.63.129.16',
  '::1',
  '::',
  '::7f00:1',
  '::ffff:127.0.0.1',
  '::ffff:0:127.0.0.1',
  '64:ff9b::10.0.0.1',
  '64:ff9b:1::1.1.1.1',
  '2002:7f00:1::',
  '2002:101:101::',
  '2001:0:1::1',
  'fd00:ec2::254',
  'fe80::1',
  'fec0::1',
  'ff02::1',
  '100::1',
  '100:0:0:1::1',
  '5f00::1',
  '2001:4860::5efe:10.0.0.1',
  'fe80::1%eth0',
  '2606:4700::1%1',
  '127.1',
  '2130706433',
  '0x7f000001',
  '017700000001',
  'localhost',
  '',
])('%s is refused', (address) => {
  expect(policy.judge(address)).toBe('refused');
});

test.each([
  '1.1.1.1',
  '2606:4700::1111',
  '::ffff:1.1.1.1',
  '64:ff9b::1.1.1.1',
  '2001:4860:4860::8888',
])('%s is public', (address) => {
  expect(policy.judge(address)).toBe('public');
});

test('the operator opens networks of both families, however the address is written', () => {
  const open = new AddressPolicy({ allow: ['127.0.0.0/8', '::1/128', '10.1.2.3'] });
  expect(['127.9.9.9', '::ffff:127.0.0.1', '::1', '10.1.2.3'].map((a) => open.judge(a))).toEqual(
    Array(4).fill('operator'),
  );
  expect(['10.1.2.4', '::2', 'fe80::1'].map((a) => open.judge(a))).toEqual(
    Array(3).fill('refused'),
  );
  expect(open.loopback()).toEqual(['127.0.0.1', '::1']);
});

test('what the operator denies is refused, whatever else is said of it, and however it is written', () => {
  const closed = new AddressPolicy({
    allow: ['127.0.0.0/8', '1.1.1.1'],
    deny: ['1.1.1.0/24', '2606:4700::/32', '127.0.0.9', '::ffff:9.9.9.0/120'],
  });
  const denied = [
    '1.1.1.1',
    '1.1.1.9',
    '::ffff:1.1.1.9',
    '64:ff9b::1.1.1.9',
    '2001:4860::5efe:1.1.1.9',
    '2606:4700::1111',
    '2606:4700::5efe:8.8.8.8',
    '127.0.0.9',
    '9.9.9.9',
    '::ffff:9.9.9.9',
  ];
  expect(denied.map((address) => closed.judge(address))).toEqual(denied.map(() => 'refused'));
  expect(['1.1.2.1', '127.0.0.1'].map((address) => closed.judge(address))).toEqual([
    'public',
    'operator',
  ]);
});

test('networks that cannot be read are all named', () => {
  expect(() => new AddressPolicy({ allow: ['10.0.0.0/33', 'example.com', '10.0.0.0/8'] })).toThrow(
    new ConfigError(['not a network: "10.0.0.0/33"', 'not a network: "example.com"']),
  );
});

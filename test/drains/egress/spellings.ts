/** Every way that we know of to write an address that a drain must not reach. */
export function spellings(): string[] {
  const targets = [
    [127, 0, 0, 1],
    [10, 0, 0, 1],
    [169, 254, 169, 254],
    [168, 63, 129, 16],
    [0, 0, 0, 0],
  ];
  return [...new Set([...targets.flatMap(ofAddress), ...ipv6, ...internalNames])];
}

function ofAddress(bytes: number[]): string[] {
  const [a = 0, b = 0, c = 0, d = 0] = bytes;
  const value = a * 2 ** 24 + b * 2 ** 16 + c * 2 ** 8 + d;
  const parts = [[value], [a, b * 2 ** 16 + c * 2 ** 8 + d], [a, b, c * 2 ** 8 + d], bytes];
  const written = parts.flatMap((numbers) => radixes.map((radix) => numbers.map(radix).join('.')));
  const dotted = bytes.join('.');
  const low = `${(a * 256 + b).toString(16)}:${(c * 256 + d).toString(16)}`;
  return [
    ...written,
    ...written.map((text) => `${text}.`),
    ...['。', '．', '｡', '%2e', '%E3%80%82'].map((dot) => bytes.join(dot)),
    fullWidth(dotted),
    circled(dotted),
    [...dotted].map((char) => `%${char.charCodeAt(0).toString(16)}`).join(''),
    ...[
      '::ffff:',
      '::',
      '::ffff:0:',
      '64:ff9b::',
      '64:ff9b:1::',
      'fe80::5efe:',
      '2001:4860::5efe:',
      '2001:4860::200:5efe:',
    ].flatMap((prefix) => [`[${prefix}${dotted}]`, `[${prefix}${low}]`]),
    `[2002:${low}::]`,
    `[2001:0:${low}::1]`,
    `ok@${dotted}`,
    `ok:ok@${dotted}`,
    `1.1.1.1@${dotted}`,
    `1.1.1.1:443@${dotted}`,
    `${dotted}\\@1.1.1.1`,
    `1.1.1.1\\@${dotted}`,
    `${dotted}#@1.1.1.1`,
    `${dotted}?@1.1.1.1`,
    `${dotted}/@1.1.1.1`,
    `\t${dotted}`,
    `${dotted}\n`,
    ` ${dotted}`,
    `${dotted}:0443`,
    `${dotted}:22`,
    `[${dotted}]`,
  ];
}

const radixes: ((value: number) => string)[] = [
  (value) => String(value),
  (value) => `0x${value.toString(16)}`,
  (value) => `0X${value.toString(16).toUpperCase()}`,
  (value) => `0x000${value.toString(16)}`,
  (value) => `0${value.toString(8)}`,
  (value) => `000${value.toString(8)}`,
];

const ipv6 = [
  '[::1]',
  '[::]',
  '[0:0:0:0:0:0:0:1]',
  '[0000:0000:0000:0000:0000:0000:0000:0001]',
  '[fe80::1]',
  '[fe80::1%25eth0]',
  '[fe80::1%eth0]',
  '[fc00::1]',
  '[fd00:ec2::254]',
  '[fec0::1]',
  '[ff02::1]',
  '[100::1]',
  '[2001:db8::1]',
  '[3fff::1]',
  '[5f00::1]',
  '[example.com]',
  '[]',
];

const internalNames = [
  'localhost',
  'LOCALHOST',
  'localhost.',
  'ｌocalhost',
  'x.localhost',
  'loopback',
  'intranet',
  'kubernetes.default.svc',
  'kubernetes.default.svc.cluster.local',
  'metadata.google.internal',
  'metadata.google.internal.',
  'router.home.arpa',
  'printer.local',
  '',
  '.',
  '..',
  '-',
];

function fullWidth(text: string): string {
  return [...text]
    .map((char) => (char === '.' ? char : String.fromCharCode(char.charCodeAt(0) + 0xfee0)))
    .join('');
}

function circled(text: string): string {
  return [...text]
    .map((char) =>
      char === '.' ? '.' : char === '0' ? '⓪' : String.fromCharCode(0x245f + Number(char)),
    )
    .join('');
}

import { expect, test } from 'vitest';
import { AddressPolicy } from '../../../src/drains/egress/address-policy.ts';
import { parseDrainUrl, type DrainTarget } from '../../../src/drains/url/drain-url.ts';

const strict = { plain: false, insecure: false, addresses: new AddressPolicy({ allow: [] }) };
const lenient = {
  plain: true,
  insecure: true,
  addresses: new AddressPolicy({ allow: ['127.0.0.0/8', '10.1.0.0/16'] }),
};

function target(url: string, policy = lenient): DrainTarget {
  const parsed = parseDrainUrl(url, policy);
  if (!parsed.ok) throw new Error(`${url}: ${parsed.problems.join(', ')}`);
  return parsed.target;
}

function problems(url: string, policy = strict): readonly string[] {
  const parsed = parseDrainUrl(url, policy);
  return parsed.ok ? [] : parsed.problems;
}

test.each([
  ['https://Logs.Example.com', 'https://logs.example.com/'],
  ['https://logs.example.com:443/x?y=1', 'https://logs.example.com/x?y=1'],
  ['https://logs.example.com:8443', 'https://logs.example.com:8443/'],
  ['https://logs.example.com./a', 'https://logs.example.com/a'],
  ['https://bücher.example/', 'https://xn--bcher-kva.example/'],
  ['https://u:p%20w@logs.example.com/', 'https://u:p%20w@logs.example.com/'],
  ['https://token@logs.example.com/', 'https://token@logs.example.com/'],
  ['http://logs.example.com', 'http://logs.example.com/'],
  ['http://logs.example.com:80', 'http://logs.example.com/'],
  ['HTTPS://logs.example.com/#format=rfc5424', 'https://logs.example.com/'],
  ['syslog+tls://Logs.Example.com', 'syslog+tls://logs.example.com:6514'],
  ['syslog+tls://logs.example.com:443', 'syslog+tls://logs.example.com:443'],
  ['syslog+tls://logs.example.com:12345/', 'syslog+tls://logs.example.com:12345'],
  ['syslog+tls://logs.example.com.:6514/#insecure', 'syslog+tls://logs.example.com:6514'],
  ['syslog://logs.example.com', 'syslog://logs.example.com:601'],
  ['syslog+tcp://logs.example.com:601', 'syslog://logs.example.com:601'],
  ['https://[2606:4700::1111]/', 'https://[2606:4700::1111]/'],
  ['syslog+tls://[2606:4700:0:0::1111]', 'syslog+tls://[2606:4700::1111]:6514'],
  ['syslog+tls://2130706433', 'syslog+tls://127.0.0.1:6514'],
  ['https://localhost:9999/', 'https://localhost:9999/'],
  ['https://vector:9000/', 'https://vector:9000/'],
])('%s is %s', (url, canonical) => {
  expect(target(url).canonical).toBe(canonical);
  expect(target(canonical).canonical).toBe(canonical);
});

test('the parts are what is connected to', () => {
  expect(target('https://me:p%40ss%2f1@Logs.example.com./in?k=v#gzip=1')).toMatchObject({
    kind: 'https',
    tls: true,
    host: 'logs.example.com',
    port: 443,
    path: '/in?k=v',
    credentials: Buffer.from('me:p@ss/1'),
  });
  expect(target('syslog+tls://[2606:4700::1]')).toMatchObject({
    kind: 'syslog',
    tls: true,
    host: '2606:4700::1',
    port: 6514,
    path: '',
    credentials: undefined,
  });
});

test('credentials are percent-decoded to bytes, and what is no escape stays', () => {
  expect(target('https://u:%c3%a9%zz%@h.example.com').credentials?.toString()).toBe('u:é%zz%');
  expect(target('https://tok@h.example.com').credentials?.toString()).toBe('tok:');
  expect(target('https://:pw@h.example.com').credentials?.toString()).toBe(':pw');
});

test.each([
  ['', 'scheme must be one of https, syslog+tls'],
  ['not a url', 'contains white space or control characters'],
  ['ftp://h.example.com', 'scheme must be one of https, syslog+tls'],
  ['udpsyslog://h.example.com', 'scheme must be one of https, syslog+tls'],
  ['constructor://h.example.com', 'scheme must be one of https, syslog+tls'],
  ['http://h.example.com', 'scheme http is not allowed here: use https or syslog+tls'],
  ['syslog+tcp://h.example.com', 'scheme syslog is not allowed here: use https or syslog+tls'],
  ['https:h.example.com', 'is not a URL with a host'],
  ['https:///h.example.com', 'is not a URL with a host'],
  ['https://', 'is not a URL with a host'],
  ['https://?x', 'is not a URL with a host'],
  ['syslog+tls://:6514', 'is not a valid URL'],
  ['https://user@/x', 'is not a valid URL'],
  ['https://h.example.com:0/', 'port is not allowed'],
  ['https://h.example.com:65536/', 'is not a valid URL'],
  ['https://h.example.com:22/', 'port is not allowed'],
  ['https://h.example.com:80/', 'port is not allowed'],
  ['https://h.example.com:6379/', 'port is not allowed'],
  ['https://h..example.com/', 'host is not a valid name'],
  ['https://h.example.com../', 'host is not a valid name'],
  [`https://${'a'.repeat(64)}.example.com/`, 'host is not a valid name'],
  ['https://localhost/', 'address is not public'],
  ['https://intranet/', 'host is not public'],
  ['https://db.svc.cluster.local/', 'host is not public'],
  ['https://printer.home.arpa/', 'host is not public'],
  ['https://x.localhost/', 'host is not public'],
  ['https://metadata.google.internal/', 'host is not public'],
  ['https://127.0.0.1/', 'address is not public'],
  ['https://[fe80::1%25eth0]/', 'is not a valid URL'],
  ['https://h.example.com\\@127.0.0.1/', 'contains a backslash'],
  ['https://h.example.com/\u0000', 'contains white space or control characters'],
  ['https://h.example.com/\t', 'contains white space or control characters'],
  ['https://a%3ab:c@h.example.com/', 'a user name cannot contain a colon'],
  ['syslog+tls://u:p@h.example.com', 'syslog drains take no user or password'],
  ['syslog+tls://h.example.com/path', 'syslog drains take no path'],
  ['syslog+tls://h.example.com?q', 'syslog drains take no path'],
  [`https://h.example.com/${'x'.repeat(2048)}`, 'is longer than 2048 characters'],
  ['syslog+tls://h.example.com/#insecure', 'option insecure is not allowed here'],
  ['https://h.example.com/#nonsense=1', 'unknown option "nonsense"'],
])('%s is refused: %s', (url, problem) => {
  expect(problems(url)).toEqual([problem]);
});

test('where the operator allows a network, its literal addresses are open on any port', () => {
  expect(target('https://10.1.2.3:22/').port).toBe(22);
  expect(problems('https://10.2.0.1/', lenient)).toEqual(['address is not public']);
  expect(problems('https://1.1.1.1:22/', lenient)).toEqual(['port is not allowed']);
});

test.each([
  ['https://user:hunter2@h.example.com/in', 'https://user:***@h.example.com/in'],
  ['https://sometoken@h.example.com/in', 'https://***@h.example.com/in'],
  [
    'https://h.example.com/v1?dd-api-key=short&ddsource=heroku&service=web',
    'https://h.example.com/v1?dd-api-key=***&ddsource=heroku&service=web',
  ],
  ['https://h.example.com/?x=0123456789abcdef0123456789abcdef', 'https://h.example.com/?x=***'],
  ['https://h.example.com/?0123456789abcdef0123456789abcdef', 'https://h.example.com/?***'],
  [
    'https://h.example.com/receiver/v1/http/ZaVnC4dhaV39Tn37kT',
    'https://h.example.com/receiver/v1/http/***',
  ],
  [
    'https://h.example.com/logs-of-production/2026',
    'https://h.example.com/logs-of-production/2026',
  ],
  ['https://h.example.com/s/00000000-0000-0000-0000-000000000000', 'https://h.example.com/s/***'],
  ['syslog+tls://logs.papertrailapp.com:12345', 'syslog+tls://logs.papertrailapp.com:12345'],
])('%s is shown as %s', (url, masked) => {
  expect(target(url).masked).toBe(masked);
});

test('a drain into this very service is none', () => {
  const ownUrls = [
    'https://api.example.com',
    'http://logs.example.com:8080/logs',
    'http://[::1]:8080',
  ];
  const own = {
    plain: true,
    insecure: true,
    ownUrls,
    addresses: new AddressPolicy({ allow: ['::1'] }),
  };
  const problems = (url: string): readonly string[] => {
    const parsed = parseDrainUrl(url, own);
    return parsed.ok ? [] : parsed.problems;
  };
  for (const url of [
    'https://API.example.com./logs',
    'http://token:t@logs.example.com:8080/logs',
    'syslog://logs.example.com:8080',
    'http://[0::1]:8080',
  ]) {
    expect(problems(url), url).toEqual(['is this service itself']);
  }
  for (const url of ['https://logs.example.com/logs', 'syslog+tls://api.example.com:6514']) {
    expect(problems(url), url).toEqual([]);
  }
});

import { expect, test } from 'vitest';
import {
  drainOptions,
  parseFragment,
  parseOptions,
} from '../../../src/drains/url/drain-options.ts';
import type { OptionSetting } from '../../../src/drains/url/option-values.ts';

const https: OptionSetting = { kind: 'https', tls: true, insecureAllowed: true };
const syslog: OptionSetting = { kind: 'syslog', tls: true, insecureAllowed: true };
const plain: OptionSetting = { kind: 'syslog', tls: false, insecureAllowed: true };

test('a fragment and JSON give the same stored options', () => {
  const stored = { format: 'rfc5424', gzip: true, batch_lines: 100, hostname: 'my-app' };
  const fragment = 'format=rfc5424&gzip&batch_lines=100&hostname=my%2dapp';
  expect(parseFragment(fragment, https)).toEqual({ stored, problems: [] });
  expect(parseOptions(stored, https)).toEqual({ stored, problems: [] });
});

test('each kind begins with the format that logplex has for it', () => {
  expect(drainOptions({}, https)).toMatchObject({ format: 'logplex', framing: 'octet' });
  expect(drainOptions({}, syslog)).toMatchObject({ format: 'rfc5424', framing: 'octet' });
});

test('stored options outlive what the operator allows, but have no effect then', () => {
  const setting = { ...https, insecureAllowed: false };
  expect(drainOptions({ insecure: true }, setting).insecure).toBe(false);
  expect(drainOptions({ insecure: true }, https).insecure).toBe(true);
});

test.each([
  ['format=xml', https, 'option format must be one of logplex, rfc5424, ndjson, otlp'],
  ['framing=crlf', https, 'option framing must be one of octet, lf'],
  ['gzip=maybe', https, 'option gzip must be 1 or 0'],
  ['gzip=1', syslog, 'option gzip is for https drains'],
  ['insecure', plain, 'option insecure is for drains with TLS'],
  ['sni=a.example.com', plain, 'option sni is for drains with TLS'],
  ['sni=a%20b', https, 'option sni must be a host name'],
  ['sni=192.0.2.1', https, 'option sni must be a host name'],
  ['hostname=a%20b', https, 'option hostname must be at most 255 visible ASCII characters'],
  ['batch_lines=0', https, 'option batch_lines must be a whole number from 1 to 5000'],
  ['batch_ms=1e3', https, 'option batch_ms must be a whole number from 10 to 10000'],
  ['gzip=1&gzip=0', https, 'option "gzip" is given twice'],
  ['x%1bq=1', https, 'unknown option "x%1bq"'],
  ['__proto__=1', https, 'unknown option "__proto__"'],
  ['hasOwnProperty', https, 'unknown option "hasOwnProperty"'],
  ['\u001b[31m=1', https, 'unknown option "?[31m"'],
])('%s is a problem: %s', (fragment, setting, problem) => {
  expect(parseFragment(fragment, setting).problems).toEqual([problem]);
});

test('problems never quote a value', () => {
  const { problems } = parseFragment('format=hunter2&hostname=hunter2%20&gzip=hunter2', https);
  expect(problems).toHaveLength(3);
  expect(problems.join()).not.toContain('hunter2');
});

test('options with a shape of their own come out the same from a fragment and from JSON', () => {
  const stored = {
    format: 'rfc5424',
    headers: { 'X-Key': 'a b', Accept: '*/*' },
    source: ['demo', 'gigalixir'],
    process: ['web'],
    severity: 'warning',
    sd: '[t@1 tag="x"]',
    strip_ansi: true,
    strip_prefix: true,
    max_message_bytes: 8096,
    concurrency: 4,
  };
  const fragment =
    'format=rfc5424&headers.X-Key=a%20b&headers.Accept=*/*&source=demo,gigalixir&process=web&severity=warn' +
    '&sd=%5Bt%401%20tag%3D%22x%22%5D&strip_ansi&strip_prefix=1&max_message_bytes=8096&concurrency=4';
  expect(parseFragment(fragment, https)).toEqual({ stored, problems: [] });
  expect(parseOptions(stored, https)).toEqual({ stored, problems: [] });
  expect(drainOptions(stored, https)).toMatchObject({
    sources: ['demo', 'gigalixir'],
    processes: ['web'],
    severity: 4,
    structuredData: '[t@1 tag="x"]',
    messageBytesMax: 8096,
    stripAnsi: true,
    stripPrefix: true,
    headers: stored.headers,
  });
});

test('a severity has several spellings and one that is stored', () => {
  for (const value of ['error', 'ERR', '3', 3]) {
    expect(parseOptions({ severity: value }, https).stored).toEqual({ severity: 'err' });
  }
});

test.each([
  ['framing=lf&format=ndjson', https, 'options framing and format ndjson contradict'],
  ['format=otlp', syslog, 'option format: otlp is for https drains'],
  ['format=ndjson', syslog, 'option format: ndjson is for https drains'],
  ['sd=[a@1]', https, 'option sd needs format rfc5424, not logplex'],
  ['sd=[a@1]&format=ndjson', https, 'option sd needs format rfc5424, not ndjson'],
  ['sd=a', syslog, 'option sd must be structured data of RFC 5424, at most 512 bytes'],
  ['headers.A=b', syslog, 'option headers is for https drains'],
  ['concurrency=0', https, 'option concurrency must be a whole number from 1 to 10'],
  ['concurrency=11', https, 'option concurrency must be a whole number from 1 to 10'],
  ['concurrency=1.5', https, 'option concurrency must be a whole number from 1 to 10'],
  ['concurrency=2', syslog, 'option concurrency is for https drains'],
  [
    'max_message_bytes=100',
    https,
    'option max_message_bytes must be a whole number from 1024 to 1048576',
  ],
  [
    'severity=loud',
    https,
    `option severity must be one of ${'emerg, alert, crit, err, warning, notice, info, debug'}`,
  ],
  [
    'source=',
    https,
    'option source must be 1 to 50 names of visible ASCII characters, with commas between them',
  ],
  [
    'process=a,,b',
    https,
    'option process must be 1 to 50 names of visible ASCII characters, with commas between them',
  ],
  ['ca=zzz', plain, 'option ca is for drains with TLS'],
  ['ca=zzz', https, 'option ca must be PEM certificates'],
  ['client_cert=', https, 'option client_cert must be PEM certificates'],
  ['client_key=zzz', https, 'option client_key must be a PEM private key without passphrase'],
])('%s is a problem of its own kind', (fragment, setting, problem) => {
  expect(parseFragment(fragment, setting).problems).toEqual([problem]);
});

test("a header and the URL's user cannot both say who we are", () => {
  const setting = { ...https, hasCredentials: true };
  expect(parseFragment('headers.authorization=x', setting).problems).toEqual([
    "option headers: Authorization and the URL's user contradict",
  ]);
  expect(parseFragment('headers.authorization=x', https).problems).toEqual([]);
});

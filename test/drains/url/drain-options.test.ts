import { expect, test } from 'vitest';
import {
  drainOptions,
  parseFragment,
  parseOptions,
  type OptionSetting,
} from '../../../src/drains/url/drain-options.ts';

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
  ['format=xml', https, 'option format must be one of logplex, rfc5424'],
  ['framing=crlf', https, 'option framing must be one of octet, lf'],
  ['gzip=maybe', https, 'option gzip must be 1 or 0'],
  ['gzip=1', syslog, 'option gzip is for https drains'],
  ['insecure', plain, 'option insecure is for drains with TLS'],
  ['sni=a.example.com', plain, 'option sni is for drains with TLS'],
  ['sni=a%20b', https, 'option sni must be a host name'],
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

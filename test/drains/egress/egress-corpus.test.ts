import { expect, test } from 'vitest';
import { AddressPolicy } from '../../../src/drains/egress/address-policy.ts';
import { parseDrainUrl } from '../../../src/drains/url/drain-url.ts';
import { HostileReceiver, silent } from '../../support/hostile-receiver.ts';
import { names, testEgress } from './egress-kit.ts';
import { spellings } from './spellings.ts';

const schemes = ['https', 'http', 'syslog+tls', 'syslog', 'HTTPS', 'syslog+tcp'];
const policy = { plain: true, insecure: true, addresses: new AddressPolicy({ allow: [] }) };

test('the corpus is large enough to mean something', () => {
  expect(spellings().length).toBeGreaterThan(400);
});

test.each(schemes)('no spelling is accepted as %s drain', (scheme) => {
  const accepted = spellings().filter((host) => parseDrainUrl(`${scheme}://${host}`, policy).ok);
  expect(accepted).toEqual([]);
});

test('what slips through as a host is refused when connecting, and reaches no canary', async () => {
  await using canary = await HostileReceiver.listen(silent);
  const { dialer } = testEgress({ allow: [] }, { dns: names({}) });
  const signal = new AbortController().signal;
  const hosts = spellings().map((host) => host.replace(/^\[(.*)\]$/, '$1'));
  const results = await Promise.all(
    hosts.map((host) => dialer.connect({ host, port: canary.port, tls: undefined }, signal)),
  );
  expect(results.filter((result) => result.ok)).toEqual([]);
  expect(canary.connections).toBe(0);
});

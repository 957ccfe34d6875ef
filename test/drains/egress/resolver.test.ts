import { expect, test } from 'vitest';
import { Resolver, type DnsLookup } from '../../../src/drains/egress/resolver.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { DnsServer } from './dns-server.ts';

const options = { cacheMsMin: 5000, cacheMsMax: 60_000, failureCacheMs: 3000, cacheNamesMax: 3 };

function resolver(dns: DnsLookup): { resolver: Resolver; clock: FakeClock } {
  const clock = new FakeClock();
  return { resolver: new Resolver(options, { dns, clock }), clock };
}

test('both families come back, alternating', async () => {
  await using server = await DnsServer.listen();
  server.answer = () => ['192.0.2.1', '192.0.2.2', '2001:db8::1'];
  const { resolver: under } = resolver(server.client());
  expect(await under.resolve('a.example.com')).toEqual(['2001:db8::1', '192.0.2.1', '192.0.2.2']);
});

test('what does not resolve has no addresses, and is not asked for again at once', async () => {
  await using server = await DnsServer.listen();
  const { resolver: under, clock } = resolver(server.client());
  expect(await under.resolve('none.example.com')).toEqual([]);
  await under.resolve('none.example.com');
  expect(server.questions).toHaveLength(2);
  await clock.advance(3000);
  await under.resolve('none.example.com');
  expect(server.questions).toHaveLength(4);
});

test('an answer without life is kept for five seconds, one for ever for a minute', async () => {
  await using server = await DnsServer.listen();
  server.answer = () => ['192.0.2.1'];
  const { resolver: under, clock } = resolver(server.client());
  await under.resolve('a.example.com');
  await clock.advance(4999);
  await under.resolve('a.example.com');
  expect(server.questions).toHaveLength(2);
  server.ttl = 1_000_000;
  await clock.advance(1);
  await under.resolve('a.example.com');
  await clock.advance(59_999);
  await under.resolve('a.example.com');
  expect(server.questions).toHaveLength(4);
  await clock.advance(1);
  await under.resolve('a.example.com');
  expect(server.questions).toHaveLength(6);
});

test('all who wait for a name share one look-up', async () => {
  await using server = await DnsServer.listen();
  server.answer = () => ['192.0.2.1'];
  const { resolver: under } = resolver(server.client());
  await Promise.all(Array.from({ length: 20 }, () => under.resolve('a.example.com')));
  expect(server.questions).toHaveLength(2);
});

test('a server that says nothing is a name that does not resolve, also for eight at once', async () => {
  await using server = await DnsServer.listen();
  server.answer = () => 'hang';
  const { resolver: under } = resolver(server.client());
  const names = Array.from({ length: 8 }, (_, at) => `hang${at}.example.com`);
  expect(await Promise.all(names.map((name) => under.resolve(name)))).toEqual(names.map(() => []));
});

test('no more names are remembered than the bound says', async () => {
  await using server = await DnsServer.listen();
  server.answer = () => ['192.0.2.1'];
  const { resolver: under } = resolver(server.client());
  for (const name of ['a', 'b', 'c', 'd']) await under.resolve(`${name}.example.com`);
  server.questions.length = 0;
  await under.resolve('d.example.com');
  expect(server.questions).toHaveLength(0);
  await under.resolve('a.example.com');
  expect(server.questions).toHaveLength(2);
});

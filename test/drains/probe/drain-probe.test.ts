import { expect, test, vi } from 'vitest';
import { systemChance } from '../../../src/core/chance.ts';
import { systemClock, type Clock } from '../../../src/core/clock.ts';
import { Secret } from '../../../src/core/secret.ts';
import { planDrain } from '../../../src/drains/drain-plan.ts';
import { probeDrain, type ProbeVerdict } from '../../../src/drains/probe/drain-probe.ts';
import { TcpQueues } from '../../../src/drains/syslog/tcp-queues.ts';
import type { StoredOptions } from '../../../src/drains/url/option-values.ts';
import { CertificateAuthority } from '../../support/certificates.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { HostileReceiver, silent } from '../../support/hostile-receiver.ts';
import { HttpsReceiver } from '../../support/https-receiver.ts';
import { SyslogReceiver } from '../../support/syslog-receiver.ts';
import { names, testEgress } from '../egress/egress-kit.ts';
import { httpsOptions } from '../https/https-kit.ts';
import { syslogOptions } from '../syslog/syslog-kit.ts';

const authority = new CertificateAuthority();
const batch = { bytesMax: 100_000, linesMax: 500, waitMsMax: 20 };
const closedPort = 9;

async function probe(
  url: string,
  over: {
    options?: StoredOptions;
    clock?: Clock;
    known?: Record<string, string[]>;
    plain?: boolean;
  } = {},
): Promise<ProbeVerdict> {
  const clock = over.clock ?? systemClock;
  const { dialer, policy } = testEgress(
    { extraPem: authority.pem },
    { clock, dns: names(over.known ?? {}) },
  );
  const plan = planDrain(
    { url: new Secret(url), options: over.options ?? {}, token: 'd.token' },
    {
      policy: { plain: over.plain ?? true, insecure: false, addresses: policy },
      httpsBatch: batch,
      syslogBatch: batch,
    },
  );
  const tcpQueues = new TcpQueues({ readingGapMs: 0 }, { clock });
  return probeDrain(
    plan,
    { probeMsMax: 20_000, drain: { https: httpsOptions, syslog: syslogOptions } },
    { dialer, clock, chance: systemChance, tcpQueues },
  );
}

const ms = expect.any(Number) as number;
const done = (...steps: string[]): object[] => steps.map((step) => ({ step, ok: true, ms }));

test('an https receiver gets one marked line in the format of the drain, and says that it has it', async () => {
  await using receiver = await HttpsReceiver.listen(authority.issue());
  const { verdict, mark, steps, certificate } = await probe(receiver.url('/in', 'me:pw'), {
    options: { format: 'ndjson', source: ['other'] },
  });
  expect([verdict, steps]).toEqual(['delivered', done('resolve', 'connect', 'tls', 'deliver')]);
  expect(certificate).toMatchObject({ issuer: 'Test Authority', problem: undefined });
  const [request] = receiver.requests;
  expect(JSON.parse(String(request?.body))).toMatchObject({
    message: `Spillway drain test ${mark}`,
  });
  expect(request?.headers['logplex-msg-count']).toBe('1');
  await vi.waitFor(() => expect(receiver.open.size).toBe(0));
});

test('every test line has its own Frame-Id', async () => {
  await using receiver = await HttpsReceiver.listen();
  await probe(receiver.url());
  await probe(receiver.url());
  const ids = receiver.requests.map(({ headers }) => headers['logplex-frame-id']);
  expect(ids[0]).toMatch(/^[0-9a-f]{32}$/);
  expect(ids[1]).not.toBe(ids[0]);
});

test('without TLS there is no such step', async () => {
  await using receiver = await HttpsReceiver.listen();
  expect((await probe(receiver.url())).steps).toEqual(done('resolve', 'connect', 'deliver'));
});

test.each([
  [401, { reason: 'http_4xx', status: 401 }],
  [413, { reason: 'http_4xx', status: 413 }],
  [302, { reason: 'http_3xx', status: 302 }],
  [500, { reason: 'http_5xx', status: 500 }],
  [429, { reason: 'http_429', status: 429 }],
])('an answer of %i fails the last step, with the status', async (status, failure) => {
  await using receiver = await HttpsReceiver.listen(authority.issue());
  receiver.answer = () => ({ status, headers: { location: 'https://elsewhere.example/' } });
  const { verdict, steps } = await probe(receiver.url('/', 'me:pa55word'));
  expect(verdict).toBe('failed');
  expect(steps).toEqual([
    ...done('resolve', 'connect', 'tls'),
    { step: 'deliver', ok: false, ...failure },
  ]);
  expect(JSON.stringify(steps)).not.toContain('pa55word');
});

test('a name that does not resolve fails the first step, a blocked address too, without saying when', async () => {
  expect((await probe('https://nowhere.example.com/')).steps).toEqual([
    { step: 'resolve', ok: false, reason: 'dns' },
  ]);
  const known = { 'inner.example.com': ['10.0.0.1'] };
  expect((await probe('https://inner.example.com/', { known })).steps).toEqual([
    { step: 'resolve', ok: false, reason: 'blocked_address' },
  ]);
  expect((await probe('http://127.0.0.1:1/', { plain: false })).steps).toEqual([
    { step: 'resolve', ok: false, reason: 'blocked_address' },
  ]);
});

test('a closed port fails the second step', async () => {
  expect((await probe(`https://127.0.0.1:${closedPort}/`)).steps).toEqual([
    ...done('resolve'),
    { step: 'connect', ok: false, reason: 'connect' },
  ]);
});

test('a certificate that is refused fails the third step, with the reason of L14 and its facts', async () => {
  await using receiver = await SyslogReceiver.listen(
    authority.issue({ fromDays: -10, toDays: -1 }),
  );
  const { steps, certificate } = await probe(receiver.url);
  expect(steps).toEqual([
    ...done('resolve', 'connect'),
    { step: 'tls', ok: false, reason: 'tls', certificate: 'expired' },
  ]);
  expect(certificate).toMatchObject({ issuer: 'Test Authority', problem: 'expired' });
  expect(receiver.messages).toEqual([]);
});

test('a syslog receiver that ends the connection in good order has the line', async () => {
  await using receiver = await SyslogReceiver.listen(authority.issue());
  const { verdict, mark, steps } = await probe(receiver.url);
  expect([verdict, steps]).toEqual(['delivered', done('resolve', 'connect', 'tls', 'deliver')]);
  expect(String(receiver.messages[0])).toMatch(
    new RegExp(`^<\\d+>1 \\S+ d\\.token heroku logplex - - Spillway drain test ${mark}\n$`),
  );
});

test('of a syslog receiver that says nothing at the end only the writing is known', async () => {
  await using receiver = await HostileReceiver.listen((socket) => {
    socket.resume();
    socket.on('end', () => socket.resetAndDestroy());
  });
  expect((await probe(`syslog://127.0.0.1:${receiver.port}`)).verdict).toBe('written');
});

test('a receiver that never answers is given up', async () => {
  await using receiver = await HostileReceiver.listen(silent, authority.issue());
  const clock = new FakeClock();
  const probing = probe(`https://127.0.0.1:${receiver.port}/`, { clock });
  await receiver.until(() => receiver.heard > 0);
  await clock.advance(20_000);
  const { steps } = await probing;
  expect(steps.at(-1)).toEqual({ step: 'deliver', ok: false, reason: 'timeout' });
  await receiver.until(() => receiver.open.size === 0);
});

test('a syslog receiver that wants a certificate of ours has not taken the line', async () => {
  const asking = { ...authority.issue(), requestCert: true, ca: new CertificateAuthority().pem };
  await using receiver = await SyslogReceiver.listen(asking);
  const { verdict, steps } = await probe(receiver.url);
  const certificate = 'client certificate required';
  expect(verdict).toBe('failed');
  expect(steps).toEqual([
    ...done('resolve', 'connect', 'tls'),
    { step: 'deliver', ok: false, reason: 'tls', certificate },
  ]);
});

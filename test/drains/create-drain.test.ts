import { expect, test } from 'vitest';
import { systemClock } from '../../src/core/clock.ts';
import { Secret } from '../../src/core/secret.ts';
import { createDrain } from '../../src/drains/create-drain.ts';
import { planDrain } from '../../src/drains/drain-plan.ts';
import type { Drain } from '../../src/drains/drain.ts';
import { createEncoder } from '../../src/drains/formats/create-encoder.ts';
import { FrameBuilder } from '../../src/drains/formats/frame-builder.ts';
import type { StoredOptions } from '../../src/drains/url/option-values.ts';
import { TcpQueues } from '../../src/drains/syslog/tcp-queues.ts';
import { CertificateAuthority } from '../support/certificates.ts';
import { HttpsReceiver } from '../support/https-receiver.ts';
import { linesRecord } from '../support/records.ts';
import { SyslogReceiver } from '../support/syslog-receiver.ts';
import { testEgress } from './egress/egress-kit.ts';
import { httpsOptions } from './https/https-kit.ts';
import { RecordedEvents, syslogOptions } from './syslog/syslog-kit.ts';

const authority = new CertificateAuthority();
const never = new AbortController().signal;
const batchPlan = { bytesMax: 65_536, linesMax: 500, waitMsMax: 20 };
const record = linesRecord(1, ['one', 'two']);

/** What one stored record becomes at a drain of this URL, from its row to the wire. */
async function send(
  url: string,
  plain = false,
  options: StoredOptions = {},
): Promise<{ kind: string; drain: Drain }> {
  const { policy, dialer } = testEgress({ extraPem: authority.pem });
  const row = { url: new Secret(url), options, token: 'd.token' };
  const plan = planDrain(row, {
    policy: { plain, insecure: false, addresses: policy },
    httpsBatch: batchPlan,
    syslogBatch: batchPlan,
  });
  const to = { logId: '0123456789abcdef', partition: 0, offset: 1, line: 0 };
  const out = new FrameBuilder();
  out.begin(plan.batch);
  createEncoder(plan.options, plan.token).encode({ position: to, record }, 0, record.lines, out);
  const drain = createDrain(
    plan,
    { https: httpsOptions, syslog: syslogOptions },
    {
      dialer,
      clock: systemClock,
      tcpQueues: new TcpQueues({ readingGapMs: 0 }, { clock: systemClock }),
    },
    new RecordedEvents(),
  );
  const batch = { id: '0'.repeat(32), to, messages: out.messages, body: out.take() };
  return { kind: (await drain.deliver(batch, never)).kind, drain };
}

test('an https drain posts the lines in the dialect of logplex', async () => {
  await using receiver = await HttpsReceiver.listen(authority.issue());
  const { kind, drain } = await send(receiver.url('/in'));
  expect(kind).toBe('delivered');
  const head = '<190>1 2026-01-01T00:00:00.000000+00:00 host demo web.1 -';
  const [request] = receiver.requests;
  expect(request?.body.toString()).toBe(`62 ${head} one\n62 ${head} two\n`);
  expect(request?.headers['logplex-msg-count']).toBe('2');
  await drain.close(never);
});

test('as many requests are under way at once as the drain may have, each on a connection of its own', async () => {
  await using receiver = await HttpsReceiver.listen(authority.issue());
  const { drain } = await send(receiver.url('/in'), false, { concurrency: 3 });
  const all = Promise.withResolvers<void>();
  let waiting = 0;
  receiver.answer = async () => {
    if (++waiting === 3) all.resolve();
    await all.promise;
    return { status: 204 };
  };
  const to = { logId: '0123456789abcdef', partition: 0, offset: 1, line: 0 };
  const batches = ['1', '2', '3'].map((digit) => ({
    id: digit.repeat(32),
    to,
    messages: 1,
    body: Buffer.from('1 x'),
  }));
  const deliveries = await Promise.all(batches.map((batch) => drain.deliver(batch, never)));
  expect(deliveries.map(({ kind }) => kind)).toEqual(Array(3).fill('delivered'));
  expect(receiver.connections).toBe(3);
  await drain.close(never);
  expect(receiver.requests).toHaveLength(4);
});

test('a syslog+tls drain writes them as RFC 5424', async () => {
  await using receiver = await SyslogReceiver.listen(authority.issue());
  const { kind, drain } = await send(receiver.url);
  expect(kind).toBe('written');
  await drain.close(never);
  const head = '<190>1 2026-01-01T00:00:00.000000+00:00 d.token demo web.1 - -';
  expect(receiver.messages.map(String)).toEqual([`${head} one\n`, `${head} two\n`]);
});

test('a drain that the operator no longer allows is held, and connects to nobody', async () => {
  await using receiver = await SyslogReceiver.listen();
  expect((await send(receiver.url)).kind).toBe('hold');
  expect(receiver.connections).toBe(0);
  const { kind, drain } = await send(receiver.url, true);
  expect(kind).toBe('written');
  await drain.close(never);
});

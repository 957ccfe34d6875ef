import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { logShuttleName } from '../support/log-shuttle.ts';
import { testNeeding } from '../support/needs.ts';
import { NumberLedger } from '../support/numbered-lines.ts';
import { freePort, pause, Pipeline } from '../support/pipeline.ts';
import { hasRsyslog, Rsyslog } from '../support/rsyslog.ts';
import { eventually } from '../support/spillway-process.ts';
import { SyslogReceiver } from '../support/syslog-receiver.ts';

/** Lines piped through log-shuttle; ACCEPTANCE_LINES=200000 for the whole run. */
const lineCount = Number(process.env['ACCEPTANCE_LINES'] ?? 20_000);
const waitMs = Math.max(60_000, lineCount * 2);

async function withRsyslog(pipeline: Pipeline): Promise<Rsyslog> {
  const { key, cert } = pipeline.authority.issue({ hosts: ['localhost', '127.0.0.1'] });
  const files = {
    caFile: join(pipeline.directory, 'ca.pem'),
    certFile: join(pipeline.directory, 'rsyslog-cert.pem'),
    keyFile: join(pipeline.directory, 'rsyslog-key.pem'),
  };
  await writeFile(files.certFile, cert);
  await writeFile(files.keyFile, key);
  const port = await freePort();
  const rsyslog = await Rsyslog.start({ directory: pipeline.directory, port, ...files });
  await pipeline.client.addDrain('demo', `syslog+tls://localhost:${port}`);
  return rsyslog;
}

async function ledgerOf(rsyslog: Rsyslog): Promise<NumberLedger> {
  const ledger = new NumberLedger();
  for (const line of await rsyslog.lines()) ledger.add(line.slice(line.indexOf('|') + 1));
  return ledger;
}

async function expectBalanced(pipeline: Pipeline): Promise<void> {
  const { spillway } = pipeline;
  await eventually(
    'no backlog',
    async () => (await spillway.metric('spillway_drain_backlog_messages')) === 0,
  );
  expect(await spillway.metric('spillway_conservation_imbalance_messages')).toBe(0);
}

testNeeding('rsyslog', hasRsyslog, 'apt-get install rsyslog rsyslog-gnutls')(
  `${logShuttleName} → https drain, rsyslog over TLS and a tail: every line, in order, none twice`,
  { timeout: waitMs + 60_000 },
  async () => {
    await using pipeline = await Pipeline.start();
    await using rsyslog = await withRsyslog(pipeline);
    const tail = await pipeline.follow();
    await pipeline.pipe(lineCount, { app: 'demo', pod: 'demo-7f9c-abcde' });
    await eventually('https has all', () => pipeline.batches.lines.distinct === lineCount, waitMs);
    await eventually(
      'rsyslog has all',
      async () => (await ledgerOf(rsyslog)).distinct === lineCount,
      waitMs,
    );
    await eventually('the tail has all', () => pipeline.tail.distinct === lineCount, waitMs);
    const syslog = await ledgerOf(rsyslog);
    for (const ledger of [pipeline.batches.lines, syslog, pipeline.tail]) {
      expect(ledger.outOfOrder).toBe(0);
      expect(ledger.repeated).toBe(0);
    }
    expect(pipeline.batches.faults).toEqual([]);
    expect(pipeline.batches.repeatedBatches, pipeline.drainLog()).toBe(0);
    await expectBalanced(pipeline);
    expect(await pipeline.spillway.end('SIGTERM')).toBe(0);
    expect(await tail.ended).toBe('whole');
  },
);

test(
  "log-shuttle's own default APP-NAME, the token, never leaves",
  { timeout: 60_000 },
  async () => {
    await using pipeline = await Pipeline.start();
    const bodies: string[] = [];
    pipeline.https.answer = ({ body }) => {
      bodies.push(body.toString());
      return { status: 204 };
    };
    const { startLogShuttle } = await import('../support/log-shuttle.ts');
    const url = `http://token:${pipeline.token}@${pipeline.spillway.address}/logs`;
    const { child, ended } = startLogShuttle(url, { app: pipeline.token });
    child.stdin.end('hello\n');
    await ended;
    await eventually('it arrives', () => bodies.length > 0);
    expect(bodies.join('')).toContain(' demo ');
    expect(bodies.join('')).not.toContain(pipeline.token);
  },
);

testNeeding('rsyslog', hasRsyslog, 'apt-get install rsyslog rsyslog-gnutls')(
  `five kill -9 under ${logShuttleName}: every line arrives, repeats only with their Frame-Id`,
  { timeout: waitMs + 120_000 },
  async () => {
    await using pipeline = await Pipeline.start();
    await using rsyslog = await withRsyslog(pipeline);
    const piped = pipeline.pipe(lineCount, { app: 'demo', pod: 'demo-7f9c-abcde' }, 5_000);
    for (let kill = 1; kill <= 5; kill++) {
      const at = Math.floor((lineCount * kill) / 7);
      await eventually('half way', () => pipeline.batches.lines.highest >= at, waitMs);
      await pipeline.restart('SIGKILL');
    }
    await piped;
    await eventually('https has all', () => pipeline.batches.lines.distinct === lineCount, waitMs);
    await eventually(
      'rsyslog has all',
      async () => (await ledgerOf(rsyslog)).distinct === lineCount,
      waitMs,
    );
    expect(pipeline.batches.lines.missing(lineCount)).toEqual([]);
    expect(pipeline.batches.lines.repeated).toBe(0);
    expect(pipeline.batches.lines.outOfOrder).toBe(0);
    expect(pipeline.batches.faults).toEqual([]);
    const syslog = await ledgerOf(rsyslog);
    expect(syslog.missing(lineCount)).toEqual([]);
    expect(syslog.outOfOrder).toBe(0);
    await expectBalanced(pipeline);
  },
);

test(
  'one receiver down: the other and the tail never notice, and it gets everything, in order',
  { timeout: waitMs + 60_000 },
  async () => {
    await using pipeline = await Pipeline.start();
    const credentials = pipeline.authority.issue({ hosts: ['localhost', '127.0.0.1'] });
    const first = await SyslogReceiver.listen(credentials);
    const { port } = first;
    await pipeline.client.addDrain('demo', `syslog+tls://localhost:${port}`);
    await pipeline.follow();
    const piped = pipeline.pipe(lineCount, { app: 'demo', pod: 'pod' });
    await eventually('it has some', () => first.messages.length > lineCount / 10, waitMs);
    await first[Symbol.asyncDispose]();
    await piped;
    await eventually('https has all', () => pipeline.batches.lines.distinct === lineCount, waitMs);
    await eventually('the tail has all', () => pipeline.tail.distinct === lineCount, waitMs);
    await using second = await SyslogReceiver.listen(credentials, port);
    const received = (): NumberLedger => {
      const ledger = new NumberLedger();
      for (const message of [...first.messages, ...second.messages]) {
        const text = message.toString();
        ledger.add(text.slice(text.indexOf(' - - ') + 5));
      }
      return ledger;
    };
    await eventually('the other has all', () => received().distinct === lineCount, waitMs + 30_000);
    expect(received().outOfOrder).toBe(0);
    await expectBalanced(pipeline);
  },
);

test(
  `SIGSTOP for 7 s under ${logShuttleName}: nothing lost, nothing stored twice`,
  { timeout: waitMs + 60_000 },
  async () => {
    await using pipeline = await Pipeline.start();
    const count = Math.min(lineCount, 20_000);
    const piped = pipeline.pipe(count, { app: 'demo', pod: 'pod' });
    await eventually('half way', () => pipeline.batches.lines.highest > count / 3, waitMs);
    pipeline.spillway.signal('SIGSTOP');
    await pause(7000);
    pipeline.spillway.signal('SIGCONT');
    await piped;
    await eventually('https has all', () => pipeline.batches.lines.distinct === count, waitMs);
    expect(pipeline.batches.lines.repeated).toBe(0);
    expect(pipeline.batches.lines.outOfOrder).toBe(0);
    expect(await pipeline.spillway.metric('spillway_accepted_messages_total')).toBe(
      pipeline.batches.lines.distinct + pipeline.batches.lines.others,
    );
  },
);

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { CertificateAuthority } from '../support/certificates.ts';
import { testNeeding } from '../support/needs.ts';
import { numberedLine } from '../support/numbered-lines.ts';
import { freePort, Pipeline } from '../support/pipeline.ts';
import { hasRsyslog } from '../support/rsyslog.ts';
import {
  RsyslogSender,
  templateWithData,
  templateWithTag,
  type RsyslogSenderOptions,
} from '../support/rsyslog-sender.ts';
import { eventually } from '../support/spillway-process.ts';
import { hasSyslogNg, syslogNgInstall } from '../support/syslog-ng-program.ts';
import { SyslogNgSender } from '../support/syslog-ng-sender.ts';

const lineCount = 20_000;
const lines = Array.from({ length: lineCount }, (_, n) => numberedLine(n)).join('');

/** Spillway with both doors open, and a directory for senders. */
async function openDoors(): Promise<
  { pipeline: Pipeline; directory: string; caFile: string } & AsyncDisposable
> {
  const directory = await mkdtemp(join(tmpdir(), 'spillway-doors-'));
  const authority = new CertificateAuthority();
  const { cert, key } = authority.issue({ hosts: ['localhost', '127.0.0.1'] });
  const file = async (name: string, text: string): Promise<string> => {
    const path = join(directory, name);
    await writeFile(path, text);
    return path;
  };
  const pipeline = await Pipeline.start({
    SPILLWAY_SYSLOG_LISTEN: `127.0.0.1:${await freePort()}`,
    SPILLWAY_SYSLOG_TLS_LISTEN: `127.0.0.1:${await freePort()}`,
    SPILLWAY_SYSLOG_TLS_CERT_FILE: await file('cert.pem', cert),
    SPILLWAY_SYSLOG_TLS_KEY_FILE: await file('key.pem', key),
  });
  return {
    pipeline,
    directory,
    caFile: await file('ca.pem', authority.pem),
    [Symbol.asyncDispose]: async () => {
      await pipeline[Symbol.asyncDispose]();
      await rm(directory, { recursive: true, force: true });
    },
  };
}

async function expectAll(pipeline: Pipeline, repeatedMax = 0): Promise<void> {
  const ledger = pipeline.batches.lines;
  await eventually('all lines have arrived', () => ledger.distinct === lineCount, 90_000);
  expect(ledger.outOfOrder).toBe(0);
  expect(ledger.repeated).toBeLessThanOrEqual(repeatedMax);
  const { spillway } = pipeline;
  expect(await spillway.metric('spillway_rejected_messages_total')).toBe(0);
  expect(await spillway.metric('spillway_syslog_auth_failures_total')).toBe(0);
  expect(await spillway.metric('spillway_conservation_imbalance_messages')).toBe(0);
}

const withRsyslog = testNeeding('rsyslog', hasRsyslog, 'apt-get install rsyslog rsyslog-gnutls');

withRsyslog.each<
  [string, 0 | 1, (token: string) => Pick<RsyslogSenderOptions, 'framing' | 'template'>]
>([
  [
    'RFC 5424, octet-counted, over TCP',
    0,
    (token) => ({ framing: 'octet-counted', template: templateWithData(token) }),
  ],
  [
    'RFC 3164, LF-framed, over TCP',
    0,
    (token) => ({ framing: 'traditional', template: templateWithTag(token) }),
  ],
  [
    'RFC 5424, octet-counted, over TLS',
    1,
    (token) => ({ framing: 'octet-counted', template: templateWithData(token) }),
  ],
])('rsyslog sends %s: every line arrives, in order, none twice', async (_, door, how) => {
  await using doors = await openDoors();
  const { pipeline, directory, caFile } = doors;
  const url = pipeline.spillway.syslogUrls[door]?.replace('127.0.0.1', 'localhost') ?? '';
  const options = { directory: join(directory, 'sender'), url, caFile, ...how(pipeline.token) };
  await using sender = await RsyslogSender.start(options, lines);
  await expectAll(pipeline);
  await sender.stop();
  expect(pipeline.batches.faults).toEqual([]);
});

testNeeding(
  'syslog-ng',
  hasSyslogNg,
  syslogNgInstall,
)('syslog-ng sends over TLS, framed by LF: every line arrives, in order, none twice', async () => {
  await using doors = await openDoors();
  const { pipeline, directory, caFile } = doors;
  const { port } = new URL(pipeline.spillway.syslogUrls[1] ?? '');
  const data = `[spillway@32473 token=\\"${pipeline.token}\\"]`;
  // As in docs/operations.md.
  const destination = `network("localhost" port(${port}) transport("tls") tls(ca-file("${caFile}"))
      template("<$PRI>1 $ISODATE $HOST $PROGRAM \${PID:--} - ${data} $MESSAGE\\n"));`;
  await using _sender = await SyslogNgSender.start(join(directory, 'sender'), destination, lines);
  await expectAll(pipeline);
  expect(pipeline.batches.faults).toEqual([]);
});

/** rsyslog sends all of a batch again when the connection ends within it. */
const rsyslogBatch = 128;

// Over TLS rsyslog does not look for the receiver's end, and loses what it writes after it.
withRsyslog('a restart in good order while rsyslog sends loses nothing over TCP', async () => {
  await using doors = await openDoors();
  const { pipeline, directory } = doors;
  const { spillway } = pipeline;
  await using _sender = await RsyslogSender.start(
    {
      directory: join(directory, 'sender'),
      url: spillway.syslogUrls[0] ?? '',
      framing: 'octet-counted',
      template: templateWithData(pipeline.token),
      pauseUs: 20_000,
    },
    lines,
  );
  const accepted = (): Promise<number> =>
    pipeline.spillway.metric('spillway_accepted_messages_total');
  await eventually('some have been stored', async () => (await accepted()) > 1000);
  await pipeline.restart('SIGTERM');
  await expectAll(pipeline, rsyslogBatch);
  expect(await accepted()).toBeGreaterThan(1000);
});

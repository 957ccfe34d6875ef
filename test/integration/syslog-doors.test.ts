import { readFileSync } from 'node:fs';
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
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

const withSyslogNg = testNeeding('syslog-ng', hasSyslogNg, syslogNgInstall);

const syslogNgTemplate = (token: string): string =>
  `<$PRI>1 $ISODATE $HOST $PROGRAM \${PID:--} - [spillway@32473 token=\\"${token}\\"] $MESSAGE\\n`;
const syslogNgRewrite = (token: string): string =>
  `set("${token}" value(".SDATA.spillway@32473.token"));`;

const syslogNgDrivers = {
  'framed by LF': (address: string, token: string) => ({
    destination: `network(${address} template("${syslogNgTemplate(token)}"));`,
  }),
  'octet-counted': (address: string, token: string) => ({
    rewrite: syslogNgRewrite(token),
    destination: `syslog(${address});`,
  }),
} as const;

withSyslogNg.each<[string, 0 | 1, keyof typeof syslogNgDrivers]>([
  ['TCP', 0, 'framed by LF'],
  ['TCP', 0, 'octet-counted'],
  ['TLS', 1, 'framed by LF'],
  ['TLS', 1, 'octet-counted'],
])(
  'syslog-ng sends over %s (door %i) %s: every line arrives, in order, none twice',
  async (_, door, driver) => {
    await using doors = await openDoors();
    const { pipeline, directory, caFile } = doors;
    const { port } = new URL(pipeline.spillway.syslogUrls[door] ?? '');
    const transport =
      door === 0 ? 'transport("tcp")' : `transport("tls") tls(ca-file("${caFile}"))`;
    const address = `"localhost" port(${port}) ${transport}`;
    const forward = syslogNgDrivers[driver](address, pipeline.token);
    await using _sender = await SyslogNgSender.start(join(directory, 'sender'), forward, lines);
    await expectAll(pipeline);
    expect(pipeline.batches.faults).toEqual([]);
  },
);

withRsyslog(
  'an rsyslog without a valid token is closed again and again, counted, and in nobody’s way',
  async () => {
    await using doors = await openDoors();
    const { pipeline, directory } = doors;
    const { spillway } = pipeline;
    const options = { url: spillway.syslogUrls[0] ?? '', framing: 'octet-counted' } as const;
    await using _stranger = await RsyslogSender.start(
      {
        ...options,
        directory: join(directory, 'stranger'),
        template: templateWithData('t.11111111-2222-4c9e-aee1-2d2b10e69b44'),
      },
      lines,
    );
    const closed = (): Promise<number> =>
      spillway.metric('spillway_syslog_closed_connections_total', 'reason="unauthorised"');
    await eventually('the stranger was closed and came again', async () => (await closed()) > 1);
    expect(await spillway.metric('spillway_accepted_messages_total')).toBe(0);
    const unknown = 'reason="unknown"';
    expect(await spillway.metric('spillway_syslog_auth_failures_total', unknown)).toBeGreaterThan(
      100,
    );
    await using _sender = await RsyslogSender.start(
      {
        ...options,
        directory: join(directory, 'sender'),
        template: templateWithData(pipeline.token),
      },
      lines,
    );
    const ledger = pipeline.batches.lines;
    await eventually('all lines have arrived', () => ledger.distinct === lineCount, 90_000);
    expect([ledger.outOfOrder, ledger.repeated]).toEqual([0, 0]);
    expect(await spillway.metric('spillway_accepted_messages_total')).toBe(lineCount);
    expect(await spillway.metric('spillway_rejected_messages_total')).toBe(0);
  },
);

test('what is sent here is configured as docs/operations.md says', () => {
  const page = readFileSync(join(import.meta.dirname, '../../docs/operations.md'), 'utf8');
  for (const text of [
    `string="${templateWithData('t.…')}"`,
    `template("${syslogNgTemplate('t.…')}")`,
    syslogNgRewrite('t.…'),
  ]) {
    expect(page).toContain(text);
  }
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

import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect } from 'vitest';
import { line } from '../drains/formats/format-kit.ts';
import { awkwardTexts, blocks, deliver, tlsFiles, urlsOf } from '../drains/profiles/profile-kit.ts';
import { freePort } from '../support/pipeline.ts';
import { hasRsyslog, Rsyslog } from '../support/rsyslog.ts';
import { eventually } from '../support/spillway-process.ts';
import { SyslogNg } from '../support/syslog-ng.ts';
import { hasSyslogNg, syslogNgInstall } from '../support/syslog-ng-program.ts';
import { testNeeding } from '../support/needs.ts';

const withRsyslog = testNeeding('rsyslog', hasRsyslog, 'apt-get install rsyslog rsyslog-gnutls');
const withSyslogNg = testNeeding('syslog-ng', hasSyslogNg, syslogNgInstall);
const token = 'd.fc6b856b-3332-4546-93de-7d0ee272c3bd';

/** A directory with the certificates of a page, and a port that nobody listens on. */
async function place(): Promise<{
  directory: string;
  port: number;
  files: Record<string, string>;
  at: (file: string) => string;
}> {
  const directory = await mkdtemp(join(tmpdir(), 'spillway-receiver-'));
  const { server, files, ca } = tlsFiles();
  const at = (file: string): string => join(directory, file);
  await writeFile(at('ca.pem'), ca);
  await writeFile(at('server.pem'), server.cert);
  await writeFile(at('server.key'), server.key);
  return { directory, port: await freePort(), files, at };
}

function startRsyslog(
  { directory, port, at }: Awaited<ReturnType<typeof place>>,
  maxMessageSize: string | null,
): Promise<Rsyslog> {
  return Rsyslog.start({
    directory,
    port,
    caFile: at('ca.pem'),
    certFile: at('server.pem'),
    keyFile: at('server.key'),
    wantsClients: true,
    maxMessageSize,
  });
}

withRsyslog(
  'rsyslog as its page has it takes every text whole, from a client it can check',
  async () => {
    const here = await place();
    const [page = ''] = blocks('rsyslog', 'rsyslog');
    const [, size = ''] = /maxMessageSize="(\w+)"/.exec(page) ?? [];
    expect(page).toContain('streamDriver.authMode="x509/certvalid"');
    await using rsyslog = await startRsyslog(here, size);
    const [url = ''] = urlsOf('rsyslog', here.files);
    const texts = [...awkwardTexts, 'x'.repeat(10_240)];
    const lines = texts.map((text) => line(text));
    expect(await deliver(url, here, lines)).toEqual({ kind: 'written' });
    await eventually(
      'rsyslog has written',
      async () => (await rsyslog.lines()).length >= texts.length,
    );
    expect(await rsyslog.lines()).toEqual(
      texts.map((text) => `demo web.1|${Buffer.from(text).toString('latin1')}`),
    );
    await rm(here.directory, { recursive: true, force: true });
  },
);

withRsyslog('a client without a certificate reaches no rsyslog that wants one', async () => {
  const here = await place();
  await using rsyslog = await startRsyslog(here, '16k');
  const [url = ''] = urlsOf('rsyslog', here.files);
  const anonymous = url.replace(/&client_cert=.*/, '');
  await deliver(anonymous, here, [line('nobody')]);
  await deliver(url, here, [line('somebody')]);
  await eventually('rsyslog has written', async () => (await rsyslog.lines()).length > 0);
  expect(await rsyslog.lines()).toEqual(['demo web.1|somebody']);
  await rm(here.directory, { recursive: true, force: true });
});

withRsyslog(
  'an rsyslog that keeps its own limit gets messages cut to it, and no remainders',
  async () => {
    const here = await place();
    await using rsyslog = await startRsyslog(here, null);
    const [url = ''] = urlsOf('rsyslog', here.files);
    const lines = [line('x'.repeat(10_000)), line('end')];
    await deliver(`${url}&max_message_bytes=8096`, here, lines);
    await eventually('rsyslog has written', async () => (await rsyslog.lines()).length >= 2);
    const [long = '', end, ...rest] = await rsyslog.lines();
    expect(Buffer.from(long, 'latin1').toString()).toMatch(
      /^demo web\.1\|x{7900,} \[… \d+ bytes cut\]$/,
    );
    expect([end, rest]).toEqual(['demo web.1|end', []]);
    await rm(here.directory, { recursive: true, force: true });
  },
);

withSyslogNg('syslog-ng with the configuration of its page takes every text whole', async () => {
  const here = await place();
  const [page = ''] = blocks('syslog-ng', 'syslog-ng');
  const configuration = page
    .replaceAll('/etc/syslog-ng/', `${here.directory}/`)
    .replace('/var/log/', `${here.directory}/`)
    .replace('0.0.0.0', '127.0.0.1')
    .replace('6514', String(here.port));
  await using syslogNg = await SyslogNg.start(here.directory, configuration, here.port);
  const [url = ''] = urlsOf('syslog-ng', here.files);
  const texts = [...awkwardTexts, 'x'.repeat(10_240), 'end'];
  const lines = texts.map((text) => line(text));
  expect(await deliver(url, here, lines)).toEqual({ kind: 'written' });
  await eventually('syslog-ng has written', async () =>
    (await syslogNg.read('gigalixir.log')).endsWith('|end\n'),
  );
  expect(await syslogNg.read('gigalixir.log')).toBe(
    texts.map((text) => `${token} demo web.1|${text}\n`).join(''),
  );
  await rm(here.directory, { recursive: true, force: true });
});

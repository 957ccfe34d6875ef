import { spawnSync } from 'node:child_process';
import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { spellings } from '../drains/egress/spellings.ts';
import { HostileReceiver, silent } from '../support/hostile-receiver.ts';
import { hasCommand, testNeeding } from '../support/needs.ts';
import { freePort, Pipeline } from '../support/pipeline.ts';
import { PlatformClient, postLogs } from '../support/platform-client.ts';
import { frame } from '../support/records.ts';
import { eventually, SpillwayProcess } from '../support/spillway-process.ts';

const innerAddresses = [
  '10.0.0.1',
  '169.254.169.254',
  '168.63.129.16',
  '100.100.100.200',
  '172.16.0.1',
  '192.168.0.1',
  'fd00:ec2::254',
  'fe80::1',
  'fc00::1',
];

const hasNamespaces =
  hasCommand('unshare') && hasCommand('ip') && spawnSync('unshare', ['-n', 'true']).status === 0;
const withNamespaces = testNeeding(
  'a network of their own',
  hasNamespaces,
  'apt-get install iproute2 util-linux, and run as root',
);

withNamespaces(
  'among addresses that no drain may reach, the kernel sees not one attempt to reach them',
  () => {
    const script = [
      'ip link set lo up',
      ...innerAddresses.map((address) => `ip addr add ${address} dev lo`),
      'exec "$0" test/support/inner-network.ts "$@"',
    ];
    const { stdout, stderr, status } = spawnSync(
      'unshare',
      ['-n', 'sh', '-ec', script.join('\n'), process.execPath, ...innerAddresses],
      { encoding: 'utf8' },
    );
    expect([status, stderr]).toEqual([0, '']);
    const { dials, guarded, control, afterwards } = JSON.parse(stdout) as Record<string, unknown>;
    expect(guarded).toEqual({ connected: 0, opened: 0, arrived: 0 });
    expect(dials).toBeGreaterThan(800);
    expect([control, afterwards]).toEqual([true, 1]);
  },
);

test('no spelling of an inner address becomes a drain, whatever the scheme, and nobody is connected to', async () => {
  const directory = await mkdtemp(join(tmpdir(), 'spillway-egress-'));
  await using canary = await HostileReceiver.listen(silent);
  await using spillway = await SpillwayProcess.start({
    dataDir: directory,
    env: { SPILLWAY_EGRESS_PLAIN: '1' },
  });
  const client = await PlatformClient.signUp(spillway.publicUrl, directory);
  const token = await client.createApp('demo');
  const urls = ['https', 'http', 'syslog+tls', 'syslog'].flatMap((scheme) =>
    spellings().map((host) => `${scheme}://${host}:${canary.port}`),
  );
  const statuses = new Map<number, number>();
  const add = async (url: string): Promise<void> => {
    const { status } = await client.request('POST', '/api/apps/demo/drains', { url });
    statuses.set(status, (statuses.get(status) ?? 0) + 1);
  };
  for (let at = 0; at < urls.length; at += 16) await Promise.all(urls.slice(at, at + 16).map(add));
  expect([...statuses]).toEqual([[422, urls.length]]);
  expect(await client.drains('demo')).toEqual([]);
  await postLogs(spillway.publicUrl, token, frame('one'));
  expect(canary.connections).toBe(0);
  await spillway.end();
  await rm(directory, { recursive: true, force: true });
});

test("the operator's own networks and this service's own URLs are out of reach", async () => {
  const directory = await mkdtemp(join(tmpdir(), 'spillway-egress-'));
  const syslogPort = await freePort();
  await using spillway = await SpillwayProcess.start({
    dataDir: directory,
    env: {
      SPILLWAY_SYSLOG_LISTEN: `127.0.0.1:${syslogPort}`,
      SPILLWAY_PUBLIC_URL: 'https://api.example.com',
      SPILLWAY_LOGS_URL: 'https://logs.example.com/logs',
      SPILLWAY_EGRESS_DENY: '1.1.1.0/24, 2606:4700::/32',
    },
  });
  const client = await PlatformClient.signUp(`http://${spillway.address}`, directory);
  await client.createApp('demo');
  for (const [url, problem] of [
    ['https://1.1.1.1/in', 'address is not public'],
    ['syslog+tls://[2606:4700::1111]', 'address is not public'],
    ['https://api.example.com/x', 'is this service itself'],
    ['https://token:t.1@logs.example.com/logs', 'is this service itself'],
    [`syslog+tls://logs.example.com:${syslogPort}`, 'is this service itself'],
  ]) {
    const response = await client.request('POST', '/api/apps/demo/drains', { url });
    expect([response.status, await response.text()]).toEqual([
      422,
      expect.stringContaining(problem ?? ''),
    ]);
  }
  await client.addDrain('demo', 'https://1.1.2.1/in');
  await spillway.end();
  await rm(directory, { recursive: true, force: true });
});

test('variables that name a proxy are not for drains', async () => {
  await using proxy = await HostileReceiver.listen(silent);
  const url = `http://127.0.0.1:${proxy.port}`;
  const names = ['http_proxy', 'https_proxy', 'all_proxy'];
  await using pipeline = await Pipeline.start({
    ...Object.fromEntries(
      names.flatMap((name) => [
        [name, url],
        [name.toUpperCase(), url],
      ]),
    ),
    NODE_USE_ENV_PROXY: '1',
  });
  const posted = await postLogs(pipeline.spillway.publicUrl, pipeline.token, frame('n=0 x'));
  expect(posted.status).toBe(204);
  await eventually('it arrives', () => pipeline.batches.lines.distinct === 1);
  expect(proxy.connections).toBe(0);
});

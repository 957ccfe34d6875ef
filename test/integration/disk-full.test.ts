import { execFileSync } from 'node:child_process';
import { expect } from 'vitest';
import { FaultRig } from '../support/fault-rig.ts';
import { hasTimeForAll, testNeeding } from '../support/needs.ts';
import { NumberedSender } from '../support/numbered-sender.ts';
import { frame } from '../support/records.ts';
import { postLogs } from '../support/platform-client.ts';
import { eventually } from '../support/spillway-process.ts';

const isRoot = process.getuid?.() === 0;
const mib = 1024 * 1024;
const env = { SPILLWAY_SEGMENT_BYTES: '1MiB', SPILLWAY_RETENTION_BYTES: '1GiB' };

/** What the drain received, once repeats are taken out, is what was acknowledged, in order. */
async function expectAllDelivered(rig: FaultRig, sender: NumberedSender): Promise<void> {
  const missing = (): number[] => {
    const gone = new Set(rig.batches.lines.missing(sender.next));
    return [...sender.acked].filter((n) => gone.has(n));
  };
  await eventually('all that was acknowledged is delivered', () => missing().length === 0);
  expect(sender.outOfOrder(rig.arrived)).toBe(0);
  expect(rig.batches.lines.repeated).toBe(0);
  expect(rig.batches.faults).toEqual([]);
  await eventually(
    'no backlog',
    async () => (await rig.metric('spillway_drain_backlog_messages')) === 0,
  );
  expect(await rig.metric('spillway_conservation_imbalance_messages')).toBe(0);
}

function remount(rig: FaultRig, mode: 'ro' | 'rw'): void {
  execFileSync('mount', ['-o', `remount,${mode}`, rig.dataDir]);
}

async function closedAfterMs(rig: FaultRig, userAgent: string): Promise<[string, number]> {
  const startedMs = performance.now();
  const answer = await postLogs(rig.publicUrl, rig.token, frame('n=0'), {
    'user-agent': userAgent,
  }).then(
    ({ status }) => String(status),
    () => 'closed',
  );
  return [answer, performance.now() - startedMs];
}

testNeeding('a small tmpfs', isRoot, 'run as root')(
  'a disk that fills up under load: not ready, senders held and closed, reading goes on, normal by itself, nothing lost',
  { timeout: 90_000 },
  async () => {
    await using rig = await FaultRig.make({ disk: '64m', env });
    await rig.begin();
    const sender = new NumberedSender({
      url: rig.publicUrl,
      token: rig.token,
      lanes: 4,
      padBytes: 8000,
    });
    await eventually('lines flow', () => sender.acked.size > 500);
    const giveBack = rig.fill('all');
    const filledMs = performance.now();
    await eventually('not ready', async () => (await rig.readyz()).status === 503, 5_000);
    expect(performance.now() - filledMs).toBeLessThan(5_000);
    expect((await rig.readyz()).wrong['log']).toContain('no space left');

    const [shuttle, other] = await Promise.all([
      closedAfterMs(rig, 'log-shuttle/0.22'),
      closedAfterMs(rig, 'curl/8'),
    ]);
    expect(shuttle[0]).toBe('closed');
    expect(other[0]).toBe('503');
    for (const [, ms] of [shuttle, other]) {
      expect(ms).toBeGreaterThan(3_500);
      expect(ms).toBeLessThan(5_000);
    }
    // Reading, tails and drains go on, and the registry refuses without harm.
    await eventually('the drain has all', () => rig.batches.lines.distinct >= sender.acked.size);
    expect((await rig.tail(10)).length).toBe(10);
    const refused = await rig.client?.request('POST', '/api/apps', { unique_name: 'other' });
    expect([201, 500, 503]).toContain(refused?.status);
    expect(rig.isRunning).toBe(true);

    await giveBack();
    const freeMs = performance.now();
    await eventually('ready again', async () => (await rig.readyz()).status === 200, 10_000);
    const before = sender.acked.size;
    await eventually('lines flow again', () => sender.acked.size > before + 100, 10_000);
    expect(performance.now() - freeMs).toBeLessThan(10_000);
    await sender.stop();
    await expectAllDelivered(rig, sender);
    expect(await rig.end('SIGTERM')).toBe(0);
  },
);

testNeeding('a small tmpfs', isRoot, 'run as root')(
  'kill -9 on a full disk, and a start on it: up, not ready, holding; serves when space returns; nothing lost',
  { timeout: 90_000 },
  async () => {
    await using rig = await FaultRig.make({ disk: '64m', env });
    await rig.begin();
    const sender = new NumberedSender({
      url: rig.publicUrl,
      token: rig.token,
      lanes: 4,
      padBytes: 8000,
    });
    await eventually('lines flow', () => sender.acked.size > 500);
    const giveBack = rig.fill('all');
    await eventually('not ready', async () => (await rig.readyz()).status === 503, 5_000);
    await rig.end('SIGKILL');
    rig.launch();
    await eventually('up', async () => (await rig.readyz()).status === 503, 5_000);
    const [shuttle, other] = await Promise.all([
      closedAfterMs(rig, 'log-shuttle/0.22'),
      closedAfterMs(rig, 'curl/8'),
    ]);
    expect([shuttle[0], other[0]]).toEqual(['closed', '503']);
    expect(rig.isRunning).toBe(true);
    expect((await rig.readyz()).status).toBe(503);
    expect(rig.log.some(({ msg }) => msg === 'start.disk_refused')).toBe(true);
    // Told to stop, it stops.
    expect(await rig.end('SIGTERM')).toBe(0);
    rig.launch();
    await eventually('up', async () => (await rig.readyz()).status === 503, 5_000);
    await giveBack();
    await rig.ready(10_000);
    const before = sender.acked.size;
    await eventually('lines flow again', () => sender.acked.size > before + 100, 10_000);
    await sender.stop();
    await expectAllDelivered(rig, sender);
  },
);

testNeeding('a small tmpfs', isRoot, 'run as root')(
  'a file system that has become read-only, as after an error of its device: up, not ready, and serving once it is mended',
  { timeout: 60_000 },
  async () => {
    await using rig = await FaultRig.make({ disk: '64m', env });
    await rig.begin();
    await rig.end('SIGKILL');
    remount(rig, 'ro');
    rig.launch();
    await eventually('it says why', async () =>
      ((await rig.readyz()).wrong['data directory'] ?? '').includes('the disk failed'),
    );
    expect(rig.isRunning).toBe(true);
    remount(rig, 'rw');
    await rig.ready();
    expect((await postLogs(rig.publicUrl, rig.token, frame('n=0 line'))).status).toBe(204);
    await eventually('it is delivered', () => rig.arrived.has(0));
  },
);

testNeeding('a small tmpfs', isRoot && hasTimeForAll, 'run as root, with FAULTS=all')(
  'the log itself fills the disk: some space is left for checkpoints, and the end is orderly',
  { timeout: 60_000 },
  async () => {
    await using rig = await FaultRig.make({ disk: '64m', env });
    await rig.begin();
    rig.fill(20 * mib);
    const sender = new NumberedSender({
      url: rig.publicUrl,
      token: rig.token,
      lanes: 8,
      linesPerRequest: 20,
      padBytes: 9000,
    });
    await eventually('not ready', async () => (await rig.readyz()).status === 503, 30_000);
    await eventually('the drain has all', () => rig.batches.lines.distinct >= sender.acked.size);
    expect(await rig.metric('spillway_conservation_imbalance_messages')).toBe(0);
    expect(await rig.end('SIGTERM')).toBe(0);
    await sender.stop({ givingUp: true });
  },
);

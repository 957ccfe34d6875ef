import { connect } from 'node:net';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FaultRig } from '../support/fault-rig.ts';
import { testNeeding } from '../support/needs.ts';
import { numberedLine } from '../support/numbered-lines.ts';
import { freePort } from '../support/pipeline.ts';
import { hasRsyslog } from '../support/rsyslog.ts';
import { RsyslogSender, templateWithData } from '../support/rsyslog-sender.ts';
import { eventually } from '../support/spillway-process.ts';

const isRoot = process.getuid?.() === 0;
const lineCount = 30_000;

testNeeding('rsyslog and a small tmpfs', isRoot && hasRsyslog, 'run as root, with rsyslog')(
  'while the disk is full the connection of a real rsyslog is not read; then everything is there, in order, none twice',
  { timeout: 90_000 },
  async () => {
    const port = await freePort();
    await using rig = await FaultRig.make({
      disk: '64m',
      env: {
        SPILLWAY_SYSLOG_LISTEN: `127.0.0.1:${port}`,
        SPILLWAY_SEGMENT_BYTES: '1MiB',
        SPILLWAY_RETENTION_BYTES: '1GiB',
      },
    });
    await rig.begin();
    const lines = Array.from({ length: lineCount }, (_, n) => numberedLine(n)).join('');
    await using _sender = await RsyslogSender.start(
      {
        directory: join(rig.directory, 'sender'),
        url: `syslog://127.0.0.1:${port}`,
        framing: 'octet-counted',
        template: templateWithData(rig.token),
        pauseUs: 20_000,
      },
      lines,
    );
    const accepted = (): Promise<number> => rig.metric('spillway_accepted_messages_total');
    await eventually('lines flow', async () => (await accepted()) > 500);
    const giveBack = rig.fill('all');
    await eventually('not ready', async () => (await rig.readyz()).status === 503);
    const waiting = 'spillway_syslog_waiting_connections';
    await eventually('it is not read', async () => (await rig.metric(waiting)) === 1);
    const before = await accepted();
    expect(before).toBeLessThan(lineCount);
    await giveBack();
    const ledger = rig.batches.lines;
    await eventually('all lines have arrived', () => ledger.distinct === lineCount, 60_000);
    expect([ledger.repeated, ledger.outOfOrder]).toEqual([0, 0]);
    expect(await accepted()).toBe(lineCount);
    expect(await rig.metric('spillway_rejected_messages_total')).toBe(0);
    await eventually(
      'no backlog',
      async () => (await rig.metric('spillway_drain_backlog_messages')) === 0,
    );
    expect(await rig.metric('spillway_conservation_imbalance_messages')).toBe(0);
  },
);

test('what a syslog sender got wrong is announced to its app, and in its books, as over HTTP', async () => {
  const port = await freePort();
  await using rig = await FaultRig.make({
    env: { SPILLWAY_SYSLOG_LISTEN: `127.0.0.1:${port}` },
  });
  await rig.begin();
  const good = `<14>1 2026-01-01T00:00:00Z host ${rig.token} web.1 - - ${numberedLine(0)}`;
  connect(port, '127.0.0.1').end(`${good}  at stack (trace.js:1)\n<999>1 no\n`);
  await eventually('L17', async () =>
    (await rig.tail()).some((line) =>
      /Error L17 \(malformed input\): 2 messages rejected/.test(line),
    ),
  );
  expect(await rig.metric('spillway_accepted_messages_total')).toBe(1);
  expect(await rig.metric('spillway_rejected_messages_total')).toBe(2);
  await eventually('the drain has both', async () => {
    const delivered = await rig.metric('spillway_drain_messages_total', 'outcome="delivered"');
    return delivered === 2;
  });
  expect(await rig.metric('spillway_conservation_imbalance_messages')).toBe(0);
});

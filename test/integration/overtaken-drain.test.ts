import { expect, test } from 'vitest';
import { globSync } from 'node:fs';
import { stat } from 'node:fs/promises';
import { join } from 'node:path';
import { FaultRig, type ShownDrain } from '../support/fault-rig.ts';
import { NumberedSender } from '../support/numbered-sender.ts';
import { hasTimeForAll } from '../support/needs.ts';
import { frame } from '../support/records.ts';
import { postLogs } from '../support/platform-client.ts';
import { eventually } from '../support/spillway-process.ts';

/** Segments and retention so small that a second of lines is more than is kept. */
const segmentBytes = 64 * 1024;
const env = { SPILLWAY_SEGMENT_BYTES: String(segmentBytes), SPILLWAY_RETENTION_BYTES: '256KiB' };

function countIn(notice: string): number {
  return Number(/: (?:at least )?(\d+) messages dropped since \d{4}-/.exec(notice)?.[1]);
}

const sum = (counts: readonly number[]): number => counts.reduce((a, b) => a + b, 0);

async function expectIdentity(rig: FaultRig): Promise<ShownDrain> {
  expect(await rig.metric('spillway_conservation_imbalance_messages')).toBe(0);
  const drain = await rig.drain();
  expect(drain.imbalance).toBe(0);
  return drain;
}

/** Sends until retention has taken much of what the drain has not got. */
async function sendPastRetention(rig: FaultRig): Promise<NumberedSender> {
  const sender = new NumberedSender({
    url: rig.publicUrl,
    token: rig.token,
    lanes: 4,
    linesPerRequest: 20,
    padBytes: 400,
  });
  await eventually('more than is kept', () => sender.acked.size > 2500);
  await sender.stop();
  return sender;
}

/** Bytes of the segment that is being written. */
async function activeBytes(rig: FaultRig): Promise<number> {
  const segments = globSync(join(rig.dataDir, 'log/0/*.log')).sort();
  return (await stat(segments.at(-1) ?? '')).size;
}

/** One line that no ledger knows, so long that its record takes so many bytes; the newest one is never lost. */
async function sendBytes(rig: FaultRig, bytes: number): Promise<void> {
  const overhead = recordOverheadBytes + Buffer.byteLength(frame('')) + 3;
  const { status } = await postLogs(rig.publicUrl, rig.token, frame('x'.repeat(bytes - overhead)));
  expect(status).toBe(204);
}
const recordOverheadBytes = 80;

/** After this a notice fits into the segment without ending it: nothing more goes because of it. */
async function makeRoom(rig: FaultRig): Promise<void> {
  while ((await activeBytes(rig)) > segmentBytes - 3000) await sendBytes(rig, 4000);
}

/** After this the next notice ends the segment. */
async function makeFull(rig: FaultRig): Promise<void> {
  await makeRoom(rig);
  for (let left = segmentBytes; left > 130; left = segmentBytes - (await activeBytes(rig))) {
    if (left < segmentBytes) await sendBytes(rig, Math.min(8000, Math.max(250, left - 60)));
  }
  expect(await activeBytes(rig)).toBeLessThan(segmentBytes);
}

const kills = ['as soon as the loss is noted', 'never', 'as soon as it is told'] as const;

for (const kill of hasTimeForAll ? kills : kills.slice(0, 1)) {
  test(
    `retention overtakes a drain; kill -9 ${kill}: L10 to the drain, L10 to the tail, metric, counter and what is missing are one number`,
    { timeout: 60_000 },
    async () => {
      await using rig = await FaultRig.make({ env });
      await rig.begin();
      rig.status = 503;
      const sender = await sendPastRetention(rig);
      await makeRoom(rig);
      // A process that has nothing in memory of what it could not deliver.
      await rig.restart('SIGKILL');
      await eventually('the loss is noted', async () => (await rig.drain()).messages.lost > 0);
      if (kill === 'as soon as the loss is noted') await rig.restart('SIGKILL');
      const tailed = async (): Promise<string[]> =>
        (await rig.tail()).filter((line) => line.includes('Error L10'));
      await eventually('the tail is told', async () => (await tailed()).length > 0);
      if (kill === 'as soon as it is told') await rig.restart('SIGKILL');
      expect(rig.told).toEqual([]);
      rig.status = 204;
      await eventually(
        'the drain has what is left',
        async () => (await rig.drain()).backlog.messages === 0,
        40_000,
      );
      const { messages } = await expectIdentity(rig);
      const missing = [...sender.acked].filter((n) => !rig.arrived.has(n)).length;
      expect(missing).toBeGreaterThan(500);
      expect(messages.lost).toBe(missing);
      expect(rig.told.map(countIn)).toEqual([missing]);
      expect((await tailed()).map(countIn)).toEqual([missing]);
      if (kill === 'never') {
        expect(await rig.metric('spillway_drain_messages_total', 'lost')).toBe(missing);
      }
      expect(await rig.metric('spillway_uncounted_gaps_total')).toBe(0);
      expect(sender.outOfOrder(rig.arrived)).toBe(0);
      expect(rig.batches.faults).toEqual([]);
      // Its own notice is the one line that the drain was not sent as a line.
      expect(messages).toMatchObject({ filtered: 1, dropped: 0, refused: 0 });
    },
  );
}

test(
  'the notice of a loss ends a segment, and so lets retention take one more: a second loss, with a notice of its own',
  { timeout: 60_000 },
  async () => {
    await using rig = await FaultRig.make({ env });
    await rig.begin();
    rig.status = 503;
    const sender = await sendPastRetention(rig);
    await makeFull(rig);
    await rig.restart('SIGKILL');
    const tailed = async (): Promise<number[]> =>
      (await rig.tail()).filter((line) => line.includes('Error L10')).map(countIn);
    await eventually('the tail is told', async () => (await tailed()).length === 1);
    const { lost: noted } = (await rig.drain()).messages;
    expect(await tailed()).toEqual([noted]);
    // What this process holds is never lost; its successor finds less.
    await rig.restart('SIGKILL');
    await eventually('and told again', async () => (await tailed()).length === 2);
    rig.status = 204;
    await eventually(
      'the drain has what is left',
      async () => (await rig.drain()).backlog.messages === 0,
      40_000,
    );
    const { messages } = await expectIdentity(rig);
    const missing = [...sender.acked].filter((n) => !rig.arrived.has(n)).length;
    expect(messages.lost).toBe(missing);
    expect(missing).toBeGreaterThan(noted);
    expect(await tailed()).toEqual([noted, missing - noted]);
    expect(sum(rig.told.map(countIn))).toBe(missing);
    expect(await rig.metric('spillway_uncounted_gaps_total')).toBe(0);
    expect(messages).toMatchObject({ filtered: 2, dropped: 0, refused: 0 });
  },
);

test(
  'with rejected lines and their notices among them, and losses more than once, the sums still agree',
  { timeout: 60_000 },
  async () => {
    await using rig = await FaultRig.make({ env });
    await rig.begin();
    rig.status = 503;
    const bad = '5 nope\n'.repeat(3);
    const first = await sendPastRetention(rig);
    await postLogs(rig.publicUrl, rig.token, frame('good') + bad);
    await rig.restart('SIGKILL');
    await eventually('the loss is noted', async () => (await rig.drain()).messages.lost > 0);
    const second = await sendPastRetention(rig);
    await rig.restart('SIGKILL');
    rig.status = 204;
    await eventually(
      'the drain has what is left',
      async () => (await rig.drain()).backlog.messages === 0,
      40_000,
    );
    const { messages } = await expectIdentity(rig);
    expect(messages.lost).toBeGreaterThan(2000);
    expect(sum(rig.told.map(countIn))).toBe(messages.lost);
    expect(first.acked.size + second.acked.size).toBeGreaterThan(messages.lost);
  },
);

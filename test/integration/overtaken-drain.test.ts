import { expect, test } from 'vitest';
import { FaultRig, type ShownDrain } from '../support/fault-rig.ts';
import { NumberedSender } from '../support/numbered-sender.ts';
import { hasTimeForAll } from '../support/needs.ts';
import { frame } from '../support/records.ts';
import { postLogs } from '../support/platform-client.ts';
import { eventually } from '../support/spillway-process.ts';

/** Segments and retention so small that a second of lines is more than is kept. */
const env = { SPILLWAY_SEGMENT_BYTES: '64KiB', SPILLWAY_RETENTION_BYTES: '256KiB' };

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
      // A process that has nothing in memory of what it could not deliver.
      await rig.restart('SIGKILL');
      await eventually('the loss is noted', async () => (await rig.drain()).messages.lost > 0);
      const { lost: noted } = (await rig.drain()).messages;
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
      expect(sum(rig.told.map(countIn))).toBe(missing);
      const shown = (await tailed()).map(countIn);
      expect(sum(shown)).toBe(missing);
      // The notice itself may fill a segment, and so let retention take one more: that is a second loss.
      if (noted === missing) expect([rig.told.length, shown.length]).toEqual([1, 1]);
      if (kill === 'never') {
        expect(await rig.metric('spillway_drain_messages_total', 'lost')).toBe(missing);
      }
      expect(await rig.metric('spillway_uncounted_gaps_total')).toBe(0);
      expect(sender.outOfOrder(rig.arrived)).toBe(0);
      expect(rig.batches.faults).toEqual([]);
      // Its own notice is the one line that the drain was not sent as a line.
      expect(messages).toMatchObject({ filtered: shown.length, dropped: 0, refused: 0 });
    },
  );
}

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

import { expect, test } from 'vitest';
import { globSync } from 'node:fs';
import { readFile, rm, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { FaultRig } from '../support/fault-rig.ts';
import { HttpsReceiver } from '../support/https-receiver.ts';
import { postLogs } from '../support/platform-client.ts';
import { frame } from '../support/records.ts';
import { eventually } from '../support/spillway-process.ts';

test(
  "an app's last records are corrupt: new lines do not hide behind cursors, and who lags is told of at least what is missing",
  { timeout: 60_000 },
  async () => {
    await using rig = await FaultRig.make();
    await using laggard = await HttpsReceiver.listen();
    const late: string[] = [];
    let status = 503;
    laggard.answer = ({ body }) => {
      if (status < 300) late.push(body.toString());
      return { status };
    };
    await rig.begin();
    await rig.client?.addDrain('demo', laggard.url('/late'));
    const send = (n: number): Promise<unknown> =>
      postLogs(rig.publicUrl, rig.token, frame(`n=${n} line`));
    for (let n = 0; n < 10; n++) await send(n);
    await eventually('delivered', async () => (await rig.drain()).messages.delivered === 10);
    await rig.end('SIGKILL');
    // The last three records lose their heads, as a page of zeroes over them would have it.
    const [segment = ''] = globSync(join(rig.dataDir, 'log/0/*.log'));
    const bytes = await readFile(segment);
    const at = bytes.indexOf('n=7 line');
    bytes.fill(0, bytes.lastIndexOf('SPSR', at));
    await writeFile(segment, bytes);
    rig.launch();
    await rig.ready();
    for (let n = 10; n < 15; n++) await send(n);
    await eventually('new lines arrive', () => rig.arrived.has(14));
    expect(rig.batches.lines.missing(15)).toEqual([]);
    expect(rig.batches.lines.repeated).toBe(0);
    const drain = await rig.drain();
    expect(drain.messages.lost).toBe(0);
    status = 204;
    await eventually('the laggard has the rest', () => late.join('').includes('n=14 '), 40_000);
    for (const n of [0, 6, 10, 14]) expect(late.join('')).toContain(`n=${n} `);
    for (const n of [7, 8, 9]) expect(late.join('')).not.toContain(`n=${n} `);
    expect(late.join('').match(/Error L10[^:]*: at least 3 messages dropped/g)).toHaveLength(1);
    expect(await rig.metric('spillway_uncounted_gaps_total')).toBe(1);
    expect(await rig.metric('spillway_conservation_imbalance_messages')).toBe(0);
    await rig.restart('SIGKILL');
    expect(await rig.metric('spillway_conservation_imbalance_messages')).toBe(0);
  },
);

test(
  'the log is another one: the drain starts over at its oldest line with new books, and says so; nothing is off',
  { timeout: 60_000 },
  async () => {
    await using rig = await FaultRig.make();
    await rig.begin();
    const send = (n: number): Promise<unknown> =>
      postLogs(rig.publicUrl, rig.token, frame(`n=${n} line`));
    for (let n = 0; n < 5; n++) await send(n);
    await eventually('delivered', async () => (await rig.drain()).messages.delivered === 5);
    await rig.end('SIGKILL');
    await rm(join(rig.dataDir, 'log'), { recursive: true });
    await rm(join(rig.dataDir, 'log.json'));
    rig.launch();
    await rig.ready();
    expect(await rig.metric('spillway_conservation_imbalance_messages')).toBe(0);
    for (let n = 5; n < 10; n++) await send(n);
    await eventually('new lines arrive', () => rig.arrived.has(9));
    expect(rig.batches.lines.missing(10)).toEqual([]);
    await eventually('it is told', () => rig.told.some((text) => text.includes('at least')));
    await eventually('no backlog', async () => (await rig.drain()).backlog.messages === 0);
    expect(await rig.metric('spillway_conservation_imbalance_messages')).toBe(0);
    expect(await rig.metric('spillway_uncounted_gaps_total')).toBe(1);
  },
);

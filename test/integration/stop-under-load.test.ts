import { expect, test } from 'vitest';
import { FaultRig } from '../support/fault-rig.ts';
import { hasTimeForAll } from '../support/needs.ts';
import { NumberedSender } from '../support/numbered-sender.ts';
import { eventually } from '../support/spillway-process.ts';

const rounds = hasTimeForAll ? 20 : 3;

test(
  `SIGTERM under load, ${rounds} times: exit 0, every acknowledged line arrives, no batch comes twice`,
  { timeout: 30_000 + rounds * 5_000 },
  async () => {
    await using rig = await FaultRig.make();
    await rig.begin();
    const sender = new NumberedSender({ url: rig.publicUrl, token: rig.token, lanes: 8 });
    for (let round = 0; round < rounds; round++) {
      const before = sender.acked.size;
      await eventually('lines flow', () => sender.acked.size > before + 200);
      const startedMs = performance.now();
      expect(await rig.end('SIGTERM')).toBe(0);
      expect(performance.now() - startedMs).toBeLessThan(10_000);
      rig.launch();
      await rig.ready();
    }
    await sender.stop();
    await eventually('all is delivered', () => [...sender.acked].every((n) => rig.arrived.has(n)));
    expect([...sender.statuses.keys()]).toEqual([204]);
    expect(rig.batches.repeatedBatches).toBe(0);
    expect(rig.batches.lines.repeated).toBe(0);
    expect(sender.outOfOrder(rig.arrived)).toBe(0);
    expect(await rig.metric('spillway_conservation_imbalance_messages')).toBe(0);
  },
);

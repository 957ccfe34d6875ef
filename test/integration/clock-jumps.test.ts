import { globSync } from 'node:fs';
import { rename, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect } from 'vitest';
import { FaultRig } from '../support/fault-rig.ts';
import { hasTimeForAll, testNeeding } from '../support/needs.ts';
import { NumberedSender } from '../support/numbered-sender.ts';
import { eventually } from '../support/spillway-process.ts';

const [library] = globSync('/usr/lib/*/faketime/libfaketime.so.1');
const hourS = 3600;
const yearS = 365 * 24 * hourS;

testNeeding('libfaketime', library !== undefined, 'apt-get install faketime')(
  'the wall clock jumps by hours and years, both ways: no stall, no burst, order by position, hardly anything aged away',
  { timeout: hasTimeForAll ? 240_000 : 60_000 },
  async () => {
    await using rig = await FaultRig.make({ env: { SPILLWAY_SEGMENT_BYTES: '64KiB' } });
    const file = join(rig.directory, 'clock');
    const jump = async (seconds: number): Promise<void> => {
      await writeFile(`${file}.new`, `${seconds < 0 ? '' : '+'}${seconds}`);
      await rename(`${file}.new`, file);
    };
    await jump(0);
    await rig.begin();
    const startedMs = performance.now();
    const minutes = (): number => Math.floor((performance.now() - startedMs) / 60_000);
    const dropped = (): number => rig.log.filter(({ msg }) => msg === 'log.segment_dropped').length;
    await rig.restart('SIGTERM', {
      env: {
        LD_PRELOAD: library ?? '',
        FAKETIME_TIMESTAMP_FILE: file,
        FAKETIME_NO_CACHE: '1',
        FAKETIME_DONT_FAKE_MONOTONIC: '1',
      },
    });
    const segments = (): number => globSync(join(rig.dataDir, 'log/0/*.log')).length;
    const sender = new NumberedSender({ url: rig.publicUrl, token: rig.token, padBytes: 400 });
    await eventually('several segments', () => segments() >= 4);
    for (const seconds of [hourS, 3 * yearS, -2 * yearS, -hourS, 0]) {
      await jump(seconds);
      const { size } = sender.acked;
      await eventually('lines flow', () => sender.acked.size > size + 100, 5_000);
      const reached = sender.next;
      await eventually('and arrive', () => rig.arrived.has(reached), 5_000);
      // Segments were ended meanwhile, which takes none for its age; a minute takes one at most.
      expect(dropped()).toBeLessThanOrEqual(minutes());
    }
    if (hasTimeForAll) {
      const before = dropped();
      await jump(3 * yearS);
      await eventually('one is dropped', () => dropped() > before, 90_000);
      await eventually('and another one', () => dropped() > before + 1, 90_000);
      expect(dropped()).toBeLessThanOrEqual(minutes());
    }
    await sender.stop();
    await eventually('all is delivered', () => [...sender.acked].every((n) => rig.arrived.has(n)));
    expect(sender.outOfOrder(rig.arrived)).toBe(0);
    expect(rig.batches.repeatedBatches).toBe(0);
    expect(rig.batches.lines.repeated).toBe(0);
    expect(await rig.metric('spillway_conservation_imbalance_messages')).toBe(0);
    expect(await rig.end('SIGTERM')).toBe(0);
  },
);

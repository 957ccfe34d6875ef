import { expect } from 'vitest';
import { FaultRig } from '../support/fault-rig.ts';
import { hasCommand, hasTimeForAll, testNeeding } from '../support/needs.ts';
import { NumberedSender } from '../support/numbered-sender.ts';
import { pause } from '../support/pipeline.ts';
import { eventually } from '../support/spillway-process.ts';

/** Lets the calls fail from the `when`-th of a thread on; the file pool has one thread. */
function failing(calls: string, when: string) {
  return {
    wrapper: [
      ...['strace', '-f', '--seccomp-bpf', '-qq', '-o', '/dev/null'],
      ...['-e', `trace=${calls}`, '-e', `inject=${calls}:error=EIO:when=${when}`],
    ],
    env: { UV_THREADPOOL_SIZE: '1' },
  };
}

const faults = [
  ['fdatasync', '60'],
  ['pwritev,pwrite64', '120'],
] as const;

const testWithStrace = testNeeding('strace', hasCommand('strace'), 'apt-get install strace');

testWithStrace(
  'EIO from fdatasync or from a write: exit 74 with the reason; the next start has all that was acknowledged',
  { timeout: 90_000 },
  async () => {
    await using rig = await FaultRig.make({ env: { SPILLWAY_SEGMENT_BYTES: '1MiB' } });
    await rig.begin();
    const sender = new NumberedSender({ url: rig.publicUrl, token: rig.token, lanes: 2 });
    for (const [calls, when] of hasTimeForAll ? faults : faults.slice(0, 1)) {
      await rig.end('SIGKILL');
      rig.launch(failing(calls, when));
      expect(await rig.exited).toBe(74);
      const fatal = rig.log.find(({ msg }) => msg === 'process.fatal');
      expect(JSON.stringify(fatal)).toContain('EIO');
      rig.launch();
      await rig.ready();
      const before = sender.acked.size;
      await eventually('lines flow', () => sender.acked.size > before);
    }
    await sender.stop();
    await eventually('all is delivered', () => [...sender.acked].every((n) => rig.arrived.has(n)));
    expect(sender.outOfOrder(rig.arrived)).toBe(0);
    expect(rig.batches.lines.repeated).toBe(0);
    expect(rig.batches.faults).toEqual([]);
    expect(await rig.metric('spillway_conservation_imbalance_messages')).toBe(0);
  },
);

testWithStrace(
  'a start on a disk that fails stays up, not ready, and does not exit again and again; on a sound one it serves',
  { timeout: 60_000 },
  async () => {
    await using rig = await FaultRig.make();
    await rig.begin();
    const sender = new NumberedSender({ url: rig.publicUrl, token: rig.token });
    await eventually('lines flow', () => sender.acked.size > 50);
    await rig.end('SIGKILL');
    rig.launch(failing('fdatasync', '1+'));
    await eventually('it says why', async () =>
      ((await rig.readyz()).wrong['log'] ?? '').includes('the disk failed'),
    );
    await pause(1000);
    expect(rig.isRunning).toBe(true);
    expect((await rig.readyz()).status).toBe(503);
    await rig.restart('SIGKILL');
    const before = sender.acked.size;
    await eventually('lines flow', () => sender.acked.size > before);
    await sender.stop();
    await eventually('all is delivered', () => [...sender.acked].every((n) => rig.arrived.has(n)));
  },
);

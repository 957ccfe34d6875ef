import { expect } from 'vitest';
import { FaultRig, type LaunchOptions } from '../support/fault-rig.ts';
import { hasCommand, testNeeding } from '../support/needs.ts';
import { NumberedSender } from '../support/numbered-sender.ts';
import { pause } from '../support/pipeline.ts';
import { SeededChance } from '../support/seeded-chance.ts';
import { eventually } from '../support/spillway-process.ts';

/**
 * SPILLWAY_CRASH_POINTS=500 for the nightly tier: every Nth call up to the 500th; with SPILLWAY_CRASH_STRIDE=10 every
 * tenth of them. Otherwise the few below.
 */
const pointsMax = Number(process.env['SPILLWAY_CRASH_POINTS'] ?? 0);
const stride = Number(process.env['SPILLWAY_CRASH_STRIDE'] ?? 1);
/** Segments of some requests, so that files are sealed and dropped all the time; retention holds seconds of lines. */
const env = { SPILLWAY_SEGMENT_BYTES: '16KiB', SPILLWAY_RETENTION_BYTES: '3MiB' };

/** By what the design calls them: the system calls, and whether other threads than the first one make them. */
const kinds = {
  fdatasync: { calls: 'fdatasync,fsync', threads: true },
  write: { calls: 'pwrite64,pwritev', threads: true },
  rename: { calls: 'rename', threads: true },
  unlink: { calls: 'unlink', threads: true },
  // The other threads' writes only wake the first one.
  send: { calls: 'write,writev,sendto,sendmsg', threads: false },
} as const;
type Kind = keyof typeof kinds;

/** The process gets SIGKILL where one of its threads enters such a call for the `nth` time. */
function killedAt(kind: Kind, nth: number): LaunchOptions {
  const { calls, threads } = kinds[kind];
  return {
    wrapper: [
      // Not --seccomp-bpf: with it strace 6.1 injects errors, but no signals.
      ...['strace', '-qq', '-o', '/dev/null', ...(threads ? ['-f'] : [])],
      ...['-e', `trace=${calls}`, '-e', `inject=${calls}:signal=KILL:when=${nth}`],
    ],
    // One thread for files: what it does has an order.
    env: { UV_THREADPOOL_SIZE: '1' },
  };
}

type Point = readonly [kind: Kind, nth: number];

const few: readonly Point[] = [
  ['fdatasync', 7],
  ['write', 90],
  ['rename', 4],
  ['send', 60],
  ['unlink', 3],
];
/** The first, the last and some between them, of one kind. */
function sweep(kind: Kind, most: number): readonly Point[] {
  const count = Math.ceil(most / stride);
  return Array.from({ length: count }, (_, i): Point => [kind, 1 + i * stride]);
}

const lives: readonly { what: string; points: readonly Point[] }[] =
  pointsMax === 0
    ? [{ what: 'a call of each kind', points: few }]
    : Object.keys(kinds).map((kind) => ({
        what: `the Nth ${kind}`,
        points: sweep(kind as Kind, pointsMax),
      }));

const testWithStrace = testNeeding('strace', hasCommand('strace'), 'apt-get install strace');

for (const { what, points } of lives) {
  testWithStrace(
    `SIGKILL at ${what}, also while it recovers: nothing acknowledged is lost, and it always starts again`,
    { timeout: 120_000 + points.length * 20_000 },
    async () => {
      await using rig = await FaultRig.make({ env });
      await rig.begin();
      const sender = new NumberedSender({
        ...{ url: rig.publicUrl, token: rig.token, lanes: 2 },
        ...{ linesPerRequest: 10, padBytes: 300, pauseMs: 3 },
      });
      const chance = new SeededChance(1);
      await eventually('segments are dropped', () =>
        rig.log.some(({ msg }) => msg === 'log.segment_dropped'),
      );
      for (const [i, [kind, nth]] of points.entries()) {
        await dieAt(rig, kind, nth);
        // Every third one dies again, most of them before they are ready.
        if (i % 3 === 1) {
          await dieAt(rig, chance.pick(['fdatasync', 'write', 'rename']), 1 + chance.below(20));
        }
        if (i % 25 === 24) await checkAll(rig, sender, `${what}, up to the ${nth}th`);
      }
      await checkAll(rig, sender, what);
      await sender.stop();
      await eventually('the last ones arrive', () =>
        [...sender.acked].every((n) => rig.arrived.has(n)),
      );
      expect(sender.outOfOrder(rig.arrived)).toBe(0);
      process.stderr.write(
        `killed at ${what}: ${points.length} times, ${sender.acked.size} lines\n`,
      );
    },
  );
}

/** Most of the writes are SQLite's. */
const firstSteps: readonly Point[] =
  pointsMax === 0
    ? [
        ['fdatasync', 5],
        ['write', 35],
      ]
    : [
        ['fdatasync', 1],
        ['write', 1],
      ];

testWithStrace(
  'SIGKILL at any step of the very first start: the next one makes what is missing',
  { timeout: 120_000 + pointsMax * 1000 },
  async () => {
    const seen: string[] = [];
    for (const [kind, step] of firstSteps) {
      for (let nth = Math.ceil(step / 2); ; nth += step) {
        await using rig = await FaultRig.make();
        rig.launch(killedAt(kind, nth));
        const start = await Promise.race([rig.exited, rig.ready(60_000).catch(() => rig.exited)]);
        if (start !== null) break;
        rig.launch();
        await rig.ready();
        expect(await rig.end('SIGTERM'), `after ${kind} ${nth}`).toBe(0);
        seen.push(`${kind} ${nth}`);
      }
    }
    process.stderr.write(`killed in the first start at ${seen.join(', ')}\n`);
    expect(seen.length).toBeGreaterThan(2);
  },
);

/** Starts it, and waits for the call at which it ends, and for nothing else that ends it. */
async function dieAt(rig: FaultRig, kind: Kind, nth: number): Promise<void> {
  await rig.end('SIGKILL');
  rig.launch(killedAt(kind, nth));
  const exit = await Promise.race([rig.exited, pause(60_000).then(() => 'alive')]);
  expect(exit, `${kind} ${nth}: ${JSON.stringify(rig.log.slice(-3))}`).toBe(null);
}

/** An unharmed process has, and delivers, all that was promised so far. */
async function checkAll(rig: FaultRig, sender: NumberedSender, what: string): Promise<void> {
  await rig.restart('SIGKILL');
  const promised = [...sender.acked];
  await eventually(`all is delivered: ${what}`, () => promised.every((n) => rig.arrived.has(n)));
  expect(sender.outOfOrder(rig.arrived), what).toBe(0);
  expect(rig.batches.faults, what).toEqual([]);
  expect(await rig.metric('spillway_conservation_imbalance_messages')).toBe(0);
  expect((await rig.drain()).messages).toMatchObject({ lost: 0, dropped: 0, refused: 0 });
}

/**
 * 1,000 lagging drains of 200 apps catch up together while other apps' drains are live.
 * Usage: npm run bench:laggards [-- <apps> <lines each>]; see bench/README.md. Everything is on 127.0.0.1 and stops by
 * itself, within four minutes.
 */
import { PlatformClient } from '../../test/support/platform-client.ts';
import { eventually } from '../../test/support/spillway-process.ts';
import type { BenchChild } from './bench-child.ts';
import type { LedgerReport } from './ledger-receiver.ts';
import type { LoadReport, LoadStream } from './paced-load.ts';
import { inParallel, machine, Stage, wait, type Door } from './stage.ts';
import {
  mib,
  phasesRow,
  print,
  progress,
  tableHead,
  tableRow,
  thousands,
  verdict,
} from './table.ts';
import { CommitTimes, MemoryWatch } from './watch.ts';

const [apps = '200', lines = '4000'] = process.argv.slice(2);
const lagging = { apps: Number(apps), drainsPerApp: 5, lines: Number(lines), perRequest: 5 };
const live = { apps: 20, perRequest: 50, everyMs: 100 };
/** What comes for the lagging drains meanwhile, so that they have to meet a head that moves. */
const trickle = { perRequest: 5, everyMs: 1000 };
const laggards = lagging.apps * lagging.drainsPerApp;
const startMs = 5_000;
const warmMs = 8_000;
const idleMs = 20_000;
const catchUpMsMax = 90_000;
const phases = ['idle', 'catching-up'] as const;

interface Tokens {
  readonly lagging: string[];
  readonly live: string[];
}

interface Doors {
  readonly late: Door;
  readonly prompt: Door;
  readonly stream: Door;
}

async function main(): Promise<void> {
  const stage = await Stage.open();
  try {
    // The many give way on their core: what is measured there is not their business.
    const late = await stage.door('http', 5);
    const doors = { late, prompt: await stage.door('http'), stream: await stage.door('syslog') };
    await late.child.ask('closed 900');
    const tokens = await fill(stage, doors);
    print(machine());
    print(`${laggards} drains of ${lagging.apps} apps, ${lagging.lines} lines each\n`);
    // The first attempts come with the start, and are told when to come again.
    await late.child.ask(`closed ${(startMs + warmMs + idleMs) / 1000}`);
    const opensAtMs = performance.now() + startMs + warmMs + idleMs;
    await measure(stage, tokens, doors, opensAtMs);
  } finally {
    await stage.close();
  }
}

/** Makes apps and drains, and the lines that the lagging drains will have to catch up. */
async function fill(stage: Stage, { late, prompt, stream }: Doors): Promise<Tokens> {
  const spillway = await stage.start();
  const client = await PlatformClient.signUp(spillway.publicUrl, stage.dataDir);
  const tokens: Tokens = { lagging: [], live: [] };
  await inParallel(Array.from({ length: lagging.apps }), async (_, i) => {
    tokens.lagging[i] = await client.createApp(`late-${i}`);
    for (let k = 0; k < lagging.drainsPerApp; k++) {
      await client.addDrain(`late-${i}`, `http://127.0.0.1:${late.port}/late/${i}/${k}`);
    }
  });
  await inParallel(Array.from({ length: live.apps }), async (_, i) => {
    tokens.live[i] = await client.createApp(`live-${i}`);
    await client.addDrain(`live-${i}`, `http://127.0.0.1:${prompt.port}/live/${i}`);
    await client.addDrain(`live-${i}`, `syslog://127.0.0.1:${stream.port}`);
  });
  progress('apps and drains are made');
  const { perRequest, lines: limit } = lagging;
  const backlog = { lines: perRequest, everyMs: 0, first: 0, limit };
  const load = await stage.load(
    spillway,
    tokens.lagging.map((token) => ({ token, ...backlog })),
  );
  await load.ask('finish');
  progress('the log is filled');
  return tokens;
}

async function measure(
  stage: Stage,
  tokens: Tokens,
  doors: Doors,
  opensAtMs: number,
): Promise<void> {
  const spillway = await stage.start();
  const load = await stage.load(spillway, [
    ...tokens.live.map((token) => stream(token, live, 0)),
    ...tokens.lagging.map((token) => stream(token, trickle, lagging.lines)),
  ]);
  const all = [load, doors.late.child, doors.prompt.child, doors.stream.child];
  const enter = (phase: string) => Promise.all(all.map((one) => one.ask(`phase ${phase}`)));
  const commits = new CommitTimes(spillway);
  const memory = new MemoryWatch(spillway);
  await wait(opensAtMs - idleMs - performance.now());
  await commits.enter('idle');
  await enter('idle');
  await wait(opensAtMs - 1000 - performance.now());
  await enter('');
  await commits.enter('catching-up');
  await wait(opensAtMs - performance.now());
  await enter('catching-up');
  const startedMs = performance.now();
  await untilCaughtUp(doors.late.child);
  const seconds = (performance.now() - startedMs) / 1000;
  await enter('');
  await commits.enter(undefined);
  memory.stop();
  await wait(3000);
  const { sent } = await load.ask<{ sent: number[] }>('stop');
  await settled(doors, sent);
  await report({ load, doors, commits, memory, seconds, sent });
}

function stream(
  token: string,
  pace: { perRequest: number; everyMs: number },
  first: number,
): LoadStream {
  return { token, lines: pace.perRequest, everyMs: pace.everyMs, first };
}

async function untilCaughtUp(late: BenchChild): Promise<void> {
  const haveAllCaughtUp = async (): Promise<boolean> => {
    const answer = await late.ask<{ passed: number; lines: number }>(`passed ${lagging.lines}`);
    progress(`${answer.lines} lines, ${answer.passed} drains have caught up`);
    return answer.passed === laggards;
  };
  await eventually('all drains have caught up', haveAllCaughtUp, catchUpMsMax).catch(told);
}

/** How many lines each kind of door is owed in all, when the load has acknowledged `sent`. */
function owed(sent: readonly number[]): { live: number; late: number } {
  const sum = (part: readonly number[]): number => part.reduce((a, b) => a + b, 0);
  const trickled = sum(sent.slice(live.apps));
  return {
    live: sum(sent.slice(0, live.apps)),
    late: (lagging.apps * lagging.lines + trickled) * lagging.drainsPerApp,
  };
}

async function settled({ late, prompt, stream }: Doors, sent: readonly number[]): Promise<void> {
  const wanted = owed(sent);
  const has = async ({ child }: Door, count: number): Promise<boolean> =>
    (await child.ask<{ lines: number }>('count')).lines >= count;
  const haveAll = async (): Promise<boolean> =>
    (await has(late, wanted.late)) &&
    (await has(prompt, wanted.live)) &&
    (await has(stream, wanted.live));
  await eventually('every line has arrived', haveAll, 30_000).catch(told);
}

const told = (error: unknown): void => print(String(error));

async function report(run: {
  load: BenchChild;
  doors: Doors;
  commits: CommitTimes;
  memory: MemoryWatch;
  seconds: number;
  sent: readonly number[];
}): Promise<void> {
  const { load, doors, commits, memory, seconds, sent } = run;
  const late = await doors.late.child.ask<LedgerReport>('report');
  const prompt = await doors.prompt.child.ask<LedgerReport>('report');
  const stream = await doors.stream.child.ask<LedgerReport>('report');
  const { latencies, retried } = await load.ask<LoadReport>('report');
  print(tableHead('idle', 'catching up'));
  const [idle, busy] = phases;
  print(tableRow('append+fsync (a group commit)', commits.p99(idle), commits.p99(busy), 2));
  print(phasesRow('POST /logs → 204', latencies, phases, 2));
  print(phasesRow('line → live syslog drain', stream.latencies, phases, 1.1));
  print(phasesRow('line → live http drain (waits 1 s for a batch)', prompt.latencies, phases, 1.1));
  const caughtUp = (laggards * lagging.lines) / seconds;
  const liveRate = (prompt.taken['catching-up']?.lines ?? 0) / seconds;
  print(`\ncaught up in ${seconds.toFixed(1)} s: ${thousands(caughtUp)} lines a second,`);
  print(`live ones meanwhile ${thousands(liveRate)}: ${(caughtUp / liveRate).toFixed(1)}× (≥ 3)`);
  print(
    `RSS at most ${mib(memory.rssBytes)}; queues at most ${mib(memory.queuedBytes)} of 256 MiB`,
  );
  print(`requests that the load had to send again: ${retried}`);
  const lateOf = (drain: string): number =>
    lagging.lines + (sent[live.apps + Number(drain.split('/')[2])] ?? 0);
  print(`lagging: ${verdict(late, lateOf)}`);
  print(`live http: ${verdict(prompt, (drain) => sent[Number(drain.split('/')[2])] ?? 0)}`);
  print(`live syslog: ${verdict(stream, () => Math.min(...sent.slice(0, live.apps)))}`);
}

await main();

/**
 * 1,000 lagging drains of 200 apps catch up together while other apps' drains are live.
 * Usage: npm run bench:laggards [-- <apps> <lines each>]; see bench/README.md. Everything is on 127.0.0.1 and stops by itself, within three minutes.
 */
import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { PlatformClient } from '../../test/support/platform-client.ts';
import { eventually, SpillwayProcess } from '../../test/support/spillway-process.ts';
import { BenchChild, canPin, pin } from './bench-child.ts';
import type { LedgerReport } from './ledger-receiver.ts';
import type { LoadStream } from './paced-load.ts';
import type { Summary } from './samples.ts';
import { CommitTimes, rssBytes } from './watch.ts';

const [apps = '200', lines = '4000'] = process.argv.slice(2);
const lagging = { apps: Number(apps), drainsPerApp: 5, lines: Number(lines), perRequest: 5 };
const live = { apps: 20, perRequest: 50, everyMs: 100 };
/** What comes for the lagging drains meanwhile, so that they have to meet a head that moves. */
const trickle = { perRequest: 5, everyMs: 1000 };
const laggards = lagging.apps * lagging.drainsPerApp;
const startMs = 5_000;
const warmMs = 8_000;
const idleMs = 20_000;
const catchUpMsMax = 60_000;

const env = {
  SPILLWAY_EGRESS_ALLOW: '127.0.0.0/8',
  SPILLWAY_EGRESS_PLAIN: '1',
  SPILLWAY_APP_RATE_BYTES: '0',
  SPILLWAY_APP_RATE_MESSAGES: '0',
};

interface LoadReport {
  readonly latencies: Record<string, Summary>;
  readonly retried: number;
}

interface Tokens {
  readonly lagging: readonly string[];
  readonly live: readonly string[];
}

interface Doors {
  readonly late: BenchChild;
  readonly prompt: BenchChild;
  readonly stream: BenchChild;
}

const wait = (ms: number): Promise<void> => new Promise((resolve) => setTimeout(resolve, ms));
/** For whoever watches; at most once a second. */
let saidAtMs = 0;
function progress(line: string): void {
  if (performance.now() - saidAtMs < 1000) return;
  saidAtMs = performance.now();
  process.stderr.write(`${(saidAtMs / 1000).toFixed(1)} s: ${line}\n`);
}

const print = (line = ''): void => void process.stdout.write(`${line}\n`);

async function main(): Promise<void> {
  const directory = await mkdtemp(join(tmpdir(), 'spillway-bench-'));
  const children: BenchChild[] = [];
  try {
    await run(directory, children);
  } finally {
    for (const child of children) child.stop();
    await rm(directory, { recursive: true, force: true });
  }
}

async function run(directory: string, children: BenchChild[]): Promise<void> {
  const receiver = async (kind: string, nice: number) => {
    const args = ['bench/pipeline/ledger-receiver.ts', kind];
    const started = await BenchChild.start<{ port: number }>(args, { nice });
    children.push(started.child);
    return { child: started.child, port: started.first.port };
  };
  // The many give way on their core: what is measured there is not their business.
  const late = await receiver('http', 19);
  const prompt = await receiver('http', 0);
  const stream = await receiver('syslog', 0);
  const doors = { late: late.child, prompt: prompt.child, stream: stream.child };
  const ports = { late: late.port, prompt: prompt.port, stream: stream.port };
  await doors.late.ask('closed 900');
  const dataDir = join(directory, 'data');
  const tokens = await fill(dataDir, directory, ports);
  const pinned = canPin ? ', Spillway on core 0, the rest on core 1' : '';
  print(`${cpus()[0]?.model ?? 'CPU'}, ${cpus().length} cores, Node ${process.version}${pinned}`);
  progress('the log is filled');
  // The first attempts come with the start, and are told when to come again.
  await doors.late.ask(`closed ${(startMs + warmMs + idleMs) / 1000}`);
  const opensAtMs = performance.now() + startMs + warmMs + idleMs;
  const spillway = await SpillwayProcess.start({ dataDir, env, nodeArgs: process.execArgv });
  pin(spillway.pid, 0);
  try {
    await measure(spillway, directory, tokens, { doors, opensAtMs });
  } finally {
    await spillway.end('SIGTERM');
  }
}

/** Makes apps and drains, and the lines that the lagging drains will have to catch up. */
async function fill(
  dataDir: string,
  directory: string,
  ports: { late: number; prompt: number; stream: number },
): Promise<Tokens> {
  const spillway = await SpillwayProcess.start({ dataDir, env });
  try {
    const client = await PlatformClient.signUp(spillway.publicUrl, dataDir);
    const tokens = { lagging: [] as string[], live: [] as string[] };
    progress('started');
    const late = Array.from({ length: lagging.apps }, (_, i) => i);
    await inParallel(late, async (i) => {
      tokens.lagging[i] = await client.createApp(`late-${i}`);
      for (let k = 0; k < lagging.drainsPerApp; k++) {
        await client.addDrain(`late-${i}`, `http://127.0.0.1:${ports.late}/late/${i}/${k}`);
      }
    });
    for (let i = 0; i < live.apps; i++) {
      tokens.live.push(await client.createApp(`live-${i}`));
      await client.addDrain(`live-${i}`, `http://127.0.0.1:${ports.prompt}/live/${i}`);
      await client.addDrain(`live-${i}`, `syslog://127.0.0.1:${ports.stream}`);
    }
    const load = await startLoad(
      spillway,
      directory,
      tokens.lagging.map((token) => ({
        ...{ token, lines: lagging.perRequest, everyMs: 0, first: 0, limit: lagging.lines },
      })),
    );
    progress('apps and drains are made');
    await load.ask('finish');
    load.stop();
    return tokens;
  } finally {
    await spillway.end('SIGTERM');
  }
}

async function measure(
  spillway: SpillwayProcess,
  directory: string,
  tokens: Tokens,
  { doors, opensAtMs }: { doors: Doors; opensAtMs: number },
): Promise<void> {
  const load = await startLoad(spillway, directory, [
    ...tokens.live.map((token) => stream(token, live, 0)),
    ...tokens.lagging.map((token) => stream(token, trickle, lagging.lines)),
  ]);
  const everyone = [load, doors.late, doors.prompt, doors.stream];
  const enter = (phase: string) => Promise.all(everyone.map((one) => one.ask(`phase ${phase}`)));
  const commits = new CommitTimes(spillway);
  const memory = { rssBytes: 0, queuedBytes: 0 };
  await wait(opensAtMs - idleMs - performance.now());
  await commits.enter('idle');
  await enter('idle');
  await wait(opensAtMs - 1000 - performance.now());
  await enter('');
  await commits.enter('catching up');
  await wait(opensAtMs - performance.now());
  await enter('catching-up');
  const startedMs = performance.now();
  let lookedAtMs = 0;
  await eventually(
    'all drains have caught up',
    async () => {
      memory.rssBytes = Math.max(memory.rssBytes, await rssBytes(spillway.pid));
      if (performance.now() - lookedAtMs > 5000) {
        lookedAtMs = performance.now();
        memory.queuedBytes = Math.max(
          memory.queuedBytes,
          await spillway.metric('spillway_drain_queue_bytes'),
        );
      }
      const { passed, lines } = await doors.late.ask<{ passed: number; lines: number }>(
        `passed ${lagging.lines}`,
      );
      progress(`${lines} lines, ${passed} drains have caught up`);
      return passed === laggards;
    },
    catchUpMsMax,
  ).catch((error: unknown) => print(String(error)));
  const seconds = (performance.now() - startedMs) / 1000;
  await enter('');
  await commits.enter(undefined);
  await wait(3000);
  const { sent } = await load.ask<{ sent: number[] }>('stop');
  await settled(doors, sent);
  await report({ load, doors, commits, memory, seconds, sent });
  load.stop();
}

/** Makes the many things faster than one after the other. */
async function inParallel<T>(items: readonly T[], make: (item: T) => Promise<void>): Promise<void> {
  const left = [...items];
  const work = async (): Promise<void> => {
    for (let item = left.pop(); item !== undefined; item = left.pop()) await make(item);
  };
  await Promise.all(Array.from({ length: 16 }, work));
}

function stream(
  token: string,
  pace: { perRequest: number; everyMs: number },
  first: number,
): LoadStream {
  return { token, lines: pace.perRequest, everyMs: pace.everyMs, first };
}

async function startLoad(
  spillway: SpillwayProcess,
  directory: string,
  streams: readonly LoadStream[],
): Promise<BenchChild> {
  const file = join(directory, 'streams.json');
  await writeFile(file, JSON.stringify(streams));
  const args = ['bench/pipeline/paced-load.ts', spillway.address, file];
  return (await BenchChild.start(args)).child;
}

/** How many lines each kind of door is owed, when the load has acknowledged `sent`. */
function owed(sent: readonly number[]): { live: number; late: number } {
  const sum = (part: readonly number[]): number => part.reduce((a, b) => a + b, 0);
  const trickled = sum(sent.slice(live.apps));
  return {
    live: sum(sent.slice(0, live.apps)),
    late: (lagging.apps * lagging.lines + trickled) * lagging.drainsPerApp,
  };
}

async function settled({ late, prompt, stream }: Doors, sent: readonly number[]): Promise<void> {
  const has = async (door: BenchChild, lines: number): Promise<boolean> =>
    (await door.ask<{ lines: number }>('count')).lines >= lines;
  const wanted = owed(sent);
  await eventually(
    'every line has arrived',
    async () =>
      (await has(late, wanted.late)) &&
      (await has(prompt, wanted.live)) &&
      (await has(stream, wanted.live)),
    30_000,
  ).catch((error: unknown) => print(String(error)));
}

async function report(run: {
  load: BenchChild;
  doors: Doors;
  commits: CommitTimes;
  memory: { rssBytes: number; queuedBytes: number };
  seconds: number;
  sent: readonly number[];
}): Promise<void> {
  const { load, doors, commits, memory, seconds, sent } = run;
  const [late, prompt, stream] = await Promise.all(
    [doors.late, doors.prompt, doors.stream].map((door) => door.ask<LedgerReport>('report')),
  );
  const { latencies, retried } = await load.ask<LoadReport>('report');
  if (!late || !prompt || !stream) throw new Error('a door did not report');
  const caughtUp = (laggards * lagging.lines) / seconds;
  const liveRate = (prompt.taken['catching-up']?.lines ?? 0) / seconds;
  const ownRate = (laggards * trickle.perRequest * 1000) / trickle.everyMs;
  print(`${laggards} drains of ${lagging.apps} apps, ${lagging.lines} lines each\n`);
  print('| p99 in ms | idle | catching up | factor | goal |\n|---|---|---|---|---|');
  print(row('append+fsync (group commit)', commits.p99('idle'), commits.p99('catching up'), 2));
  print(both('POST /logs → 204', latencies, 2));
  print(both('line → live syslog drain', stream.latencies, 1.1));
  print(both('line → live http drain (batches of 1 s)', prompt.latencies, 1.1));
  print();
  print(`caught up in ${seconds.toFixed(1)} s: ${thousands(caughtUp)} lines/s;`);
  print(`live meanwhile ${thousands(liveRate)} lines/s: ${(caughtUp / liveRate).toFixed(1)}×`);
  print(`(goal ≥ 3×); to the lagging drains' own apps ${thousands(ownRate)} lines/s`);
  print(`RSS at most ${mib(memory.rssBytes)}, queues ${mib(memory.queuedBytes)} of 256 MiB`);
  print(`requests sent again by the load: ${retried}`);
  for (const [name, door] of Object.entries({ lagging: late, http: prompt, syslog: stream })) {
    print(`${name} drains: ${verdict(door)}`);
  }
  const wanted = owed(sent);
  print(`owed ${wanted.late}, ${wanted.live}, ${wanted.live}`);
}

function both(name: string, latencies: Record<string, Summary>, goal: number): string {
  return row(name, latencies['idle']?.p99 ?? NaN, latencies['catching-up']?.p99 ?? NaN, goal);
}

function row(name: string, idle: number, busy: number, goal: number): string {
  const cells = [name, idle.toFixed(1), busy.toFixed(1), (busy / idle).toFixed(2), `≤ ${goal}`];
  return `| ${cells.join(' | ')} |`;
}

function verdict({ drains, lines }: LedgerReport): string {
  const all = Object.values(drains);
  const sum = (of: (one: (typeof all)[number]) => number): number =>
    all.reduce((total, one) => total + of(one), 0);
  const gaps = sum(({ gaps }) => gaps);
  const repeats = sum(({ repeats }) => repeats);
  return `${all.length} drains, ${lines} lines, missing in between ${gaps}, repeated ${repeats}`;
}

const thousands = (value: number): string => Math.round(value).toLocaleString('en');
const mib = (bytes: number): string => `${Math.round(bytes / 2 ** 20)} MiB`;

await main();

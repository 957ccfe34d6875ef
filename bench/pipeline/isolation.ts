/**
 * 200 healthy drains, and beside them three that have more to take: first as healthy as the others, then one slow, one
 * hanging and one resetting. Usage: npm run bench:isolation; see bench/README.md. Everything is on 127.0.0.1 and stops by itself,
 * within two minutes.
 */
import { PlatformClient } from '../../test/support/platform-client.ts';
import type { LedgerReport } from './ledger-receiver.ts';
import type { LoadReport, LoadStream } from './paced-load.ts';
import { inParallel, machine, Stage, wait } from './stage.ts';
import { phasesRow, print, progress, tableHead, verdict } from './table.ts';

const healthy = { apps: 200, perRequest: 10, everyMs: 500 };
const sick = { ways: ['slow', 'hang', 'reset'], perRequest: 50, everyMs: 50 };
const warmMs = 8_000;
const phaseMs = 25_000;
const phases = ['before', 'beside'] as const;

async function main(): Promise<void> {
  const stage = await Stage.open();
  try {
    await run(stage);
  } finally {
    await stage.close();
  }
}

async function run(stage: Stage): Promise<void> {
  const http = await stage.door('http');
  const syslog = await stage.door('syslog');
  const spillway = await stage.start();
  const client = await PlatformClient.signUp(spillway.publicUrl, stage.dataDir);
  const streams: LoadStream[] = [];
  await inParallel(Array.from({ length: healthy.apps }), async (_, i) => {
    const token = await client.createApp(`well-${i}`);
    const isStream = i % 2 === 0;
    await client.addDrain(
      `well-${i}`,
      isStream ? `syslog://127.0.0.1:${syslog.port}` : `http://127.0.0.1:${http.port}/well/${i}`,
    );
    streams[i] = { token, lines: healthy.perRequest, everyMs: healthy.everyMs, first: 0 };
  });
  for (const way of sick.ways) {
    const token = await client.createApp(`ill-${way}`);
    await client.addDrain(`ill-${way}`, `http://127.0.0.1:${http.port}/${way}`);
    streams.push({ token, lines: sick.perRequest, everyMs: sick.everyMs, first: 0 });
  }
  progress('apps and drains are made');
  const load = await stage.load(spillway, streams);
  const all = [load, http.child, syslog.child];
  const enter = (phase: string) => Promise.all(all.map((one) => one.ask(`phase ${phase}`)));
  await wait(warmMs);
  await enter('before');
  await wait(phaseMs);
  await enter('');
  await http.child.ask('sick');
  await wait(warmMs);
  await enter('beside');
  await wait(phaseMs);
  await enter('');
  const failures = await spillway.metric('spillway_drain_failures_total');
  const { sent } = await load.ask<{ sent: number[] }>('stop');
  await wait(3000);

  const posted = await http.child.ask<LedgerReport>('report');
  const streamed = await syslog.child.ask<LedgerReport>('report');
  const { latencies } = await load.ask<LoadReport>('report');
  print(machine());
  print(`${healthy.apps} healthy drains, beside one slow, one hanging and one resetting\n`);
  print(tableHead('before', 'beside'));
  print(phasesRow('POST /logs → 204', latencies, phases, 1.1));
  print(phasesRow('line → healthy syslog drain', streamed.latencies, phases, 1.1));
  print(phasesRow('line → healthy http drain (waits 1 s)', posted.latencies, phases, 1.1));
  print(`\nattempts at the sick drains that failed: ${failures}`);
  const well = Object.entries(posted.drains).filter(([drain]) => drain.startsWith('/well/'));
  const lines = (drain: string): number => sent[Number(drain.split('/')[2])] ?? 0;
  print(`http: ${verdict({ drains: Object.fromEntries(well) }, lines)}`);
  print(`syslog: ${verdict(streamed, () => Math.min(...sent.slice(0, healthy.apps)))}`);
}

await main();

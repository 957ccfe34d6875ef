/**
 * How long a start takes on a large log: of the log alone and of the whole process until it is ready, after a kill with
 * a full active segment and after an orderly end; as root also with nothing of it in the page cache.
 * Usage: node bench/micro/start.ts [--gib 10] [--directory /var/tmp]. Writes that many GiB there and removes them;
 * `--data <directory>` keeps them, and uses what is there already.
 */
import { existsSync, readFileSync, writeFileSync } from 'node:fs';
import { copyFile, mkdir, mkdtemp, readdir, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openEmbedded } from '../../test/support/embedded.ts';
import { linesRecord } from '../../test/support/records.ts';
import { SpillwayProcess } from '../../test/support/spillway-process.ts';

const { values } = parseArgs({
  options: {
    gib: { type: 'string', default: '10' },
    directory: { type: 'string', default: tmpdir() },
    data: { type: 'string' },
  },
});
const gib = Number(values.gib);
const options = { retentionBytesMax: 2 ** 50 };
const apps = 1000;
const hourMs = 3_600_000;
const texts = Array.from({ length: 50 }, (_, i) => `${i} `.padEnd(150, 'x'));

/** As if it had come within a day, so that little of it is of the last two minutes, which a start reads. */
async function fill(directory: string): Promise<void> {
  const log = await openEmbedded(directory, options);
  const record = linesRecord(1, texts);
  const bytes = gib * 2 ** 30;
  for (let n = 0; log.bytes < bytes;) {
    const ageMs = 24 * hourMs * (1 - log.bytes / bytes);
    const group = Array.from({ length: 400 }, () => ({
      ...record,
      receivedAtMs: Date.now() - ageMs,
      app: ((n++ % apps) + 1) as typeof record.app,
    }));
    await Promise.all(group.map((one) => log.append([one])));
  }
  const segments = (await readdir(join(directory, 'log/0'))).filter((name) =>
    name.endsWith('.log'),
  );
  print(
    `${(log.bytes / 2 ** 30).toFixed(1)} GiB in ${segments.length} segments, ${apps} apps, Node ${process.version}`,
  );
}

/** Only root can; says whether it did. */
function forgetPageCache(): boolean {
  try {
    writeFileSync('/proc/sys/vm/drop_caches', '3');
    return true;
  } catch {
    return false;
  }
}

async function timeLog(directory: string, end: string): Promise<void> {
  const startedMs = performance.now();
  const log = await openEmbedded(directory, options);
  print(`the log after ${end}: ${sinceMs(startedMs)} ms`);
  await log.close();
}

async function timeProcess(directory: string, end: string, signal: NodeJS.Signals): Promise<void> {
  const startedMs = performance.now();
  const spillway = await SpillwayProcess.start({
    dataDir: directory,
    env: { SPILLWAY_RETENTION_BYTES: '1000GiB' },
  });
  const readyMs = sinceMs(startedMs);
  print(`the process after ${end}: ready after ${readyMs} ms, ${cpuMs(spillway.pid)} ms of CPU`);
  await spillway.end(signal);
}

/** User and system time of a process, on Linux, in steps of 10 ms. */
function cpuMs(pid: number): number {
  const [, rest = ''] = readFileSync(`/proc/${pid}/stat`, 'latin1').split(') ');
  const fields = rest.split(' ');
  return 10 * (Number(fields[11]) + Number(fields[12]));
}

function sinceMs(startedMs: number): string {
  return (performance.now() - startedMs).toFixed(0);
}

function print(line: string): void {
  process.stdout.write(`${line}\n`);
}

const directory = values.data ?? (await mkdtemp(join(values.directory, 'spillway-start-')));
await mkdir(directory, { recursive: true });
try {
  const isThere = existsSync(join(directory, 'log'));
  const empty = await mkdtemp(join(values.directory, 'spillway-start-'));
  await timeProcess(empty, 'nothing (an empty directory)', 'SIGKILL');
  await rm(empty, { recursive: true });
  if (!isThere) await fill(directory);
  else print(`what is in ${directory}`);
  // Nothing of it is closed: the next start finds what a kill leaves.
  await timeLog(directory, isThere ? 'whatever it was' : 'a kill');
  await timeLog(directory, 'an orderly end');
  // Keys and a registry, which a start does not make beside a log.
  await adopt(directory);
  await timeProcess(directory, 'an orderly end', 'SIGKILL');
  await timeProcess(directory, 'a kill', 'SIGKILL');
  if (forgetPageCache()) {
    await timeProcess(directory, 'a kill, nothing in the page cache', 'SIGTERM');
    forgetPageCache();
    await timeProcess(directory, 'an orderly end, nothing in the page cache', 'SIGKILL');
  }
} finally {
  if (values.data === undefined) await rm(directory, { recursive: true });
}

async function adopt(directory: string): Promise<void> {
  if (existsSync(join(directory, 'keys'))) return;
  const fresh = await mkdtemp(join(values.directory, 'spillway-start-'));
  const spillway = await SpillwayProcess.start({ dataDir: fresh });
  await spillway.end('SIGTERM');
  for (const name of ['keys', 'registry.sqlite']) {
    await copyFile(join(fresh, name), join(directory, name));
  }
  await rm(fresh, { recursive: true });
}

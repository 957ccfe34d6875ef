/**
 * Measures CPU microseconds per line of the whole Spillway process, load and receivers being other processes.
 * Usage: npm run bench [-- <row> …]; see bench/README.md. Everything is on 127.0.0.1 and stops by itself.
 */
import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdtemp, readFile, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { CertificateAuthority } from '../../test/support/certificates.ts';
import { PlatformClient } from '../../test/support/platform-client.ts';
import { eventually, SpillwayProcess } from '../../test/support/spillway-process.ts';
import { canPin, pin } from './bench-child.ts';

interface Row {
  readonly name: string;
  readonly perRequest: number;
  readonly drains: readonly ('https' | 'syslog')[];
  readonly lines: number;
  readonly targetMicros: number;
}

const rows: readonly Row[] = [
  {
    name: 'ingest, 5 lines a request, durable',
    perRequest: 5,
    drains: [],
    lines: 300_000,
    targetMicros: 7.5,
  },
  {
    name: 'ingest, 50 a request, durable',
    perRequest: 50,
    drains: [],
    lines: 2_000_000,
    targetMicros: 1.0,
  },
  {
    name: '50 a request → 1 syslog+tls drain',
    perRequest: 50,
    drains: ['syslog'],
    lines: 2_000_000,
    targetMicros: 1.7,
  },
  {
    name: '50 a request → 1 https drain',
    perRequest: 50,
    drains: ['https'],
    lines: 2_000_000,
    targetMicros: 2.5,
  },
];

const connections = 50;
/** So many rounds of a row; the median counts. */
const rounds = 3;

async function main(): Promise<void> {
  const wanted = process.argv.slice(2).map(Number);
  const chosen = rows.filter((_, i) => wanted.length === 0 || wanted.includes(i + 1));
  process.stdout.write(
    `${cpus()[0]?.model ?? 'CPU'}, ${cpus().length} cores, Node ${process.version}`,
  );
  process.stdout.write(
    canPin ? ', Spillway on core 0, the rest on core 1\n\n' : ', not pinned\n\n',
  );
  process.stdout.write(
    '| scenario | CPU µs per line | lines a second | target µs |\n|---|---|---|---|\n',
  );
  for (const row of chosen) {
    const results = await runRow(row);
    const micros = median(results.map((result) => result.micros));
    const rate = median(results.map((result) => result.linesPerSecond));
    process.stdout.write(
      `| ${row.name} | ${micros.toFixed(2)} | ${Math.round(rate).toLocaleString('en')} | ≤ ${row.targetMicros} |\n`,
    );
  }
}

async function runRow(row: Row): Promise<{ micros: number; linesPerSecond: number }[]> {
  const directory = await mkdtemp(join(tmpdir(), 'spillway-bench-'));
  const authority = new CertificateAuthority();
  const { key, cert } = authority.issue({ hosts: ['localhost', '127.0.0.1'] });
  const files = {
    ca: join(directory, 'ca.pem'),
    key: join(directory, 'key.pem'),
    cert: join(directory, 'cert.pem'),
  };
  await writeFile(files.ca, authority.pem);
  await writeFile(files.key, key);
  await writeFile(files.cert, cert);
  const dataDir = join(directory, 'data');
  const spillway = await SpillwayProcess.start({
    dataDir,
    env: {
      SPILLWAY_EGRESS_ALLOW: '127.0.0.0/8',
      SPILLWAY_EGRESS_CA_FILE: files.ca,
      SPILLWAY_APP_RATE_BYTES: '0',
      SPILLWAY_APP_RATE_MESSAGES: '0',
      SPILLWAY_RETENTION_BYTES: '2GiB',
    },
  }).catch(async (error: unknown) => {
    await rm(directory, { recursive: true, force: true });
    throw error;
  });
  pin(spillway.pid, 0);
  const receivers: Receiver[] = [];
  try {
    const client = await PlatformClient.signUp(spillway.publicUrl, dataDir);
    const token = await client.createApp('bench');
    for (const kind of row.drains) {
      const receiver = await Receiver.start(kind, files.key, files.cert);
      receivers.push(receiver);
      const scheme = kind === 'https' ? 'https' : 'syslog+tls';
      await client.addDrain('bench', `${scheme}://localhost:${receiver.port}`);
    }
    const measure = (lines: number): Promise<{ micros: number; linesPerSecond: number }> =>
      measureOnce(row, lines, { spillway, token, receivers });
    await measure(row.lines / 4);
    const results = [];
    for (let round = 0; round < rounds; round++) results.push(await measure(row.lines));
    return results;
  } finally {
    for (const receiver of receivers) receiver.stop();
    await spillway.end('SIGTERM');
    await rm(directory, { recursive: true, force: true });
  }
}

async function measureOnce(
  row: Row,
  lines: number,
  parts: { spillway: SpillwayProcess; token: string; receivers: readonly Receiver[] },
): Promise<{ micros: number; linesPerSecond: number }> {
  const { spillway, receivers } = parts;
  const before = await Promise.all(receivers.map((receiver) => receiver.messages()));
  const cpuBefore = await cpuMicros(spillway.pid);
  const startedMs = performance.now();
  await load(spillway.address, parts.token, row.perRequest, lines / row.perRequest);
  for (const [i, receiver] of receivers.entries()) {
    const wanted = (before[i] ?? 0) + lines;
    await eventually(
      'the receiver has all',
      async () => (await receiver.messages()) >= wanted,
      120_000,
    );
  }
  const seconds = (performance.now() - startedMs) / 1000;
  const micros = ((await cpuMicros(spillway.pid)) - cpuBefore) / lines;
  return { micros, linesPerSecond: lines / seconds };
}

async function load(
  address: string,
  token: string,
  perRequest: number,
  requests: number,
): Promise<void> {
  const args = [
    'bench/pipeline/load.ts',
    address,
    token,
    String(perRequest),
    String(requests),
    String(connections),
  ];
  const child = spawn(process.execPath, args, { stdio: ['ignore', 'ignore', 'inherit'] });
  pin(child.pid ?? 0, 1);
  const [code] = (await once(child, 'exit')) as [number];
  if (code !== 0) throw new Error('the load failed');
}

class Receiver {
  readonly port: number;
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;

  private constructor(child: ChildProcess, lines: AsyncIterator<string>, port: number) {
    this.#child = child;
    this.#lines = lines;
    this.port = port;
  }

  static async start(kind: string, keyFile: string, certFile: string): Promise<Receiver> {
    const args = ['bench/pipeline/receiver.ts', kind, keyFile, certFile];
    const child = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    pin(child.pid ?? 0, 1);
    const lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
    const { port } = JSON.parse((await lines.next()).value as string) as { port: number };
    return new Receiver(child, lines, port);
  }

  async messages(): Promise<number> {
    this.#child.stdin?.write('\n');
    const next = await this.#lines.next();
    return (JSON.parse(String(next.value)) as { messages: number }).messages;
  }

  stop(): void {
    this.#child.kill();
  }
}

/** User and system time of all threads of a process, in µs (proc(5): clock ticks of 10 ms). */
async function cpuMicros(pid: number): Promise<number> {
  const stat = await readFile(`/proc/${pid}/stat`, 'latin1');
  const fields = stat.slice(stat.lastIndexOf(')') + 2).split(' ');
  return (Number(fields[11]) + Number(fields[12])) * 10_000;
}

function median(values: readonly number[]): number {
  return [...values].sort((a, b) => a - b)[Math.floor(values.length / 2)] ?? NaN;
}

await main();

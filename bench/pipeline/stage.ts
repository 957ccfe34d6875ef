import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { cpus, tmpdir } from 'node:os';
import { join } from 'node:path';
import { SpillwayProcess } from '../../test/support/spillway-process.ts';
import { BenchChild, canPin, pin } from './bench-child.ts';
import type { LoadStream } from './paced-load.ts';

/** So that drains may reach this machine, and no app is slowed down. */
const env = {
  SPILLWAY_EGRESS_ALLOW: '127.0.0.0/8',
  SPILLWAY_EGRESS_PLAIN: '1',
  SPILLWAY_APP_RATE_BYTES: '0',
  SPILLWAY_APP_RATE_MESSAGES: '0',
};

export interface Door {
  readonly child: BenchChild;
  readonly port: number;
}

/** Spillway on core 0, and everything around it on core 1. All of it ends with `close`. */
export class Stage {
  readonly dataDir: string;
  readonly #directory: string;
  readonly #children: BenchChild[] = [];
  #spillway: SpillwayProcess | undefined;

  private constructor(directory: string) {
    this.#directory = directory;
    this.dataDir = join(directory, 'data');
  }

  static async open(): Promise<Stage> {
    return new Stage(await mkdtemp(join(tmpdir(), 'spillway-bench-')));
  }

  /** Starts Spillway, again if it was there; `--cpu-prof` and its like, given to the bench, are given on. */
  async start(): Promise<SpillwayProcess> {
    await this.#spillway?.end('SIGTERM');
    const nodeArgs = process.execArgv;
    this.#spillway = await SpillwayProcess.start({ dataDir: this.dataDir, env, nodeArgs });
    pin(this.#spillway.pid, 0);
    return this.#spillway;
  }

  /** A receiver that numbers are checked by; `nice` makes it give way on its core. */
  async door(kind: 'http' | 'syslog', nice = 0): Promise<Door> {
    const args = ['bench/pipeline/ledger-receiver.ts', kind];
    const { child, first } = await BenchChild.start<{ port: number }>(args, { nice });
    this.#children.push(child);
    return { child, port: first.port };
  }

  async load(spillway: SpillwayProcess, streams: readonly LoadStream[]): Promise<BenchChild> {
    const file = join(this.#directory, `streams-${this.#children.length}.json`);
    await writeFile(file, JSON.stringify(streams));
    const args = ['bench/pipeline/paced-load.ts', spillway.address, file];
    const { child } = await BenchChild.start(args);
    this.#children.push(child);
    return child;
  }

  async close(): Promise<void> {
    for (const child of this.#children) child.stop();
    await this.#spillway?.end('SIGTERM');
    await rm(this.#directory, { recursive: true, force: true });
  }
}

/** What was measured on. */
export function machine(): string {
  const pinned = canPin ? ', Spillway on core 0, the rest on core 1' : ', not pinned';
  return `${cpus()[0]?.model ?? 'CPU'}, ${cpus().length} cores, Node ${process.version}${pinned}`;
}

/** Makes many things faster than one after the other. */
export async function inParallel<T>(
  items: readonly T[],
  make: (item: T, i: number) => Promise<void>,
): Promise<void> {
  const left = items.map((item, i) => ({ item, i }));
  const work = async (): Promise<void> => {
    for (let next = left.pop(); next; next = left.pop()) await make(next.item, next.i);
  };
  await Promise.all(Array.from({ length: 16 }, work));
}

export const wait = (ms: number): Promise<void> =>
  new Promise((resolve) => setTimeout(resolve, ms));

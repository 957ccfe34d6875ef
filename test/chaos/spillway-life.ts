import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { setTimeout as sleep } from 'node:timers/promises';
import { SpillwayProcess } from '../support/spillway-process.ts';
import { cutPower } from './power-cut.ts';
import type { Random } from './random.ts';

export interface SpillwayLifeOptions {
  readonly directory: string;
  readonly dataDir: string;
  readonly env: Readonly<Record<string, string>>;
  /** Where the sources under test are: `src/` is below it. */
  readonly root: string;
}

/** What Spillway said of itself, summed over its lives as far as each was asked. */
export interface LifeCounts {
  starts: number;
  /** Failed attempts of drains by reason. */
  readonly failures: Map<string, number>;
  readonly outcomes: Map<string, number>;
  imbalanceMax: number;
  /** Askings that found a drain that reads from the log. */
  laggardsSeen: number;
  /** From the start of the process until it was ready. */
  readonly startMs: number[];
  /** Ends that nobody had asked for, and exits with another code than expected. */
  readonly complaints: string[];
  /** Errors in its own log, by event. */
  readonly errors: Map<string, number>;
  powerCutBytes: number;
}

const startMsMax = 30_000;
const afterLookMs = 250;

/** The process under test, over all its lives: on one address, with one data directory. */
export class SpillwayLife {
  readonly counts: LifeCounts = {
    starts: 0,
    failures: new Map(),
    outcomes: new Map(),
    imbalanceMax: 0,
    laggardsSeen: 0,
    startMs: [],
    complaints: [],
    errors: new Map(),
    powerCutBytes: 0,
  };
  readonly #options: SpillwayLifeOptions;
  readonly #notes: string;
  #process: SpillwayProcess | undefined;
  #listen: string | undefined;

  constructor(options: SpillwayLifeOptions) {
    this.#options = options;
    this.#notes = join(options.directory, 'synced');
  }

  get process(): SpillwayProcess {
    if (!this.#process) throw new Error('Spillway is not running');
    return this.#process;
  }

  /** Starts it and waits until it is ready; with `killAfterMs` it is killed on the way, once. */
  async start(killAfterMs?: number): Promise<void> {
    const { dataDir, env, root } = this.#options;
    const startedMs = performance.now();
    let isKilled = false;
    const started = SpillwayProcess.start({
      dataDir,
      env: { ...env, CHAOS_SYNCED_NOTES: this.#notes },
      ...(this.#listen === undefined ? {} : { listen: this.#listen }),
      nodeArgs: ['--import', join(import.meta.dirname, 'unsynced.ts')],
      main: join(root, 'src/main.ts'),
      onSpawn: (child) => {
        if (killAfterMs === undefined) return;
        setTimeout(() => (isKilled = child.kill('SIGKILL')), killAfterMs);
      },
    });
    this.counts.starts++;
    try {
      this.#process = await started;
      if (killAfterMs !== undefined && !isKilled) await this.#process.end('SIGKILL');
    } catch (error) {
      if (!isKilled) throw error;
    }
    if (killAfterMs !== undefined) return this.start();
    this.#listen = this.process.address;
    const tookMs = performance.now() - startedMs;
    this.counts.startMs.push(tookMs);
    if (tookMs > startMsMax) this.counts.complaints.push(`ready only after ${tookMs} ms`);
    return undefined;
  }

  /** Resolves, once it is dead, with the moment at which the signal was sent, as of `process.hrtime.bigint()`. */
  async kill(): Promise<bigint> {
    await this.#look();
    // Answering is work: a kill in the moment after it would always find answers of receivers unread.
    await sleep(afterLookMs);
    const sentNs = process.hrtime.bigint();
    await this.#end('SIGKILL', null);
    return sentNs;
  }

  async stop(): Promise<void> {
    await this.#look();
    await this.#end('SIGTERM', 0);
  }

  async pause(forMs: number): Promise<void> {
    this.process.signal('SIGSTOP');
    await sleep(forMs);
    this.process.signal('SIGCONT');
  }

  async cutPower(random: Random): Promise<void> {
    await this.kill();
    this.counts.powerCutBytes += await cutPower(this.#notes, random);
  }

  /** The log's disk has no room for a while. */
  async fillDisk(forMs: number): Promise<void> {
    await writeFile(`${this.#notes}.fault`, String(Math.round(forMs)));
    this.process.signal('SIGUSR2');
    await sleep(forMs);
  }

  /** The next fsync fails: the process must end with 74, and what was not fsynced is gone. */
  async breakDisk(random: Random): Promise<void> {
    await this.#look();
    await writeFile(`${this.#notes}.fault`, 'eio');
    this.process.signal('SIGUSR2');
    const isOver = await Promise.race([this.process.ended, sleep(ioErrorMsMax, 'still there')]);
    if (isOver !== ioErrorExit) {
      this.counts.complaints.push(
        `a failing disk ended in ${String(isOver)}, not in ${ioErrorExit}`,
      );
    }
    await this.#end('SIGKILL', typeof isOver === 'string' ? null : isOver);
    this.counts.powerCutBytes += await cutPower(this.#notes, random);
  }

  /** Reads the metrics; undefined when it does not answer. */
  async metrics(): Promise<Map<string, number> | undefined> {
    try {
      const signal = AbortSignal.timeout(5_000);
      const text = await (await fetch(`${this.process.adminUrl}/metrics`, { signal })).text();
      return samplesIn(text);
    } catch {
      return undefined;
    }
  }

  /** Looks at what must hold at any time, without counting anything. */
  async watch(): Promise<void> {
    if (!this.#process) return;
    const samples = await this.metrics();
    if (samples) this.#judge(samples);
  }

  /** Sums up this life, which is to bring nothing new any more. */
  sumUp(): Promise<void> {
    return this.#look();
  }

  /** Ends it whatever it was doing. */
  async abandon(): Promise<void> {
    await this.#process?.end('SIGKILL');
  }

  async #look(): Promise<void> {
    const samples = await this.metrics();
    if (!samples) return;
    this.#judge(samples);
    for (const [sample, value] of samples) {
      const [, what = '', label = ''] =
        /^spillway_drain_(failures|messages)_total\{.*\b(?:reason|outcome)="([^"]+)"/.exec(
          sample,
        ) ?? [];
      const sums = what === 'failures' ? this.counts.failures : this.counts.outcomes;
      if (what !== '') add(sums, label, value);
    }
  }

  #judge(samples: ReadonlyMap<string, number>): void {
    const { counts } = this;
    const imbalance = samples.get('spillway_conservation_imbalance_messages') ?? Number.NaN;
    if (!(imbalance <= counts.imbalanceMax)) counts.imbalanceMax = imbalance;
    for (const state of ['lagging', 'catching up']) {
      if ((samples.get(`spillway_drains{state="${state}"}`) ?? 0) > 0) counts.laggardsSeen++;
    }
  }

  async #end(signal: NodeJS.Signals, expected: number | null): Promise<void> {
    const { process, counts } = this;
    if (process.hasEnded && expected !== ioErrorExit) {
      counts.complaints.push('it had ended by itself');
    }
    const code = await process.end(signal);
    if (code !== expected) counts.complaints.push(`${signal} ended it with ${code}`);
    for (const entry of process.log) {
      const what = String(entry['msg']);
      if (Number(entry['level']) >= errorLevel) add(counts.errors, what, 1);
    }
    this.#process = undefined;
  }
}

const ioErrorExit = 74;
const ioErrorMsMax = 10_000;
/** pino's number for `error`. */
const errorLevel = 50;

function add(sums: Map<string, number>, key: string, value: number): void {
  sums.set(key, (sums.get(key) ?? 0) + value);
}

function samplesIn(text: string): Map<string, number> {
  const samples = new Map<string, number>();
  for (const line of text.split('\n')) {
    const space = line.lastIndexOf(' ');
    if (space > 0 && !line.startsWith('#')) {
      samples.set(line.slice(0, space), Number(line.slice(space + 1)));
    }
  }
  return samples;
}

import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { createInterface } from 'node:readline';
import { BatchLedger } from './batch-ledger.ts';
import { HttpsReceiver } from './https-receiver.ts';
import { freePort, pause } from './pipeline.ts';
import { PlatformClient } from './platform-client.ts';
import { eventually } from './spillway-process.ts';

export interface RigOptions {
  readonly env?: Readonly<Record<string, string>>;
  /** Size of a tmpfs that the data directory is on, as `mount` takes it; needs root. */
  readonly disk?: string;
}

export interface LaunchOptions {
  /** Runs before the program's own command: `strace …`. */
  readonly wrapper?: readonly string[];
  readonly env?: Readonly<Record<string, string>>;
}

/** The drain as `GET /api/apps/:app/drains/:id` shows it. */
export interface ShownDrain {
  readonly id: number;
  readonly state: string;
  readonly messages: Readonly<
    Record<'delivered' | 'filtered' | 'dropped' | 'lost' | 'refused', number>
  >;
  readonly backlog: { readonly messages: number; readonly bytes: number };
  readonly last_error: string | null;
  readonly imbalance: number;
}

/** One Spillway process after the other on the same data and addresses, an app, and a receiver over plain HTTP. */
export class FaultRig {
  readonly directory: string;
  readonly dataDir: string;
  readonly receiver: HttpsReceiver;
  readonly batches = new BatchLedger();
  /** Texts of the L10s that the drain itself got, each as often as it was answered with 2xx. */
  readonly told: string[] = [];
  /** Numbers of lines in the order in which they came first. */
  readonly arrived = new Set<number>();
  /** What the receiver answers; 2xx counts as received. */
  status = 204;
  token = '';
  client: PlatformClient | undefined;
  /** What the running process logged. */
  log: Record<string, unknown>[] = [];
  readonly #isMounted: boolean;
  readonly #env: Record<string, string>;
  readonly #ports: { readonly public: number; readonly admin: number };
  #child: ChildProcess | undefined;
  #exited: Promise<number | null> = Promise.resolve(null);

  private constructor(made: {
    directory: string;
    receiver: HttpsReceiver;
    isMounted: boolean;
    env: Record<string, string>;
    ports: { public: number; admin: number };
  }) {
    this.directory = made.directory;
    this.dataDir = join(made.directory, 'data');
    this.receiver = made.receiver;
    this.#isMounted = made.isMounted;
    this.#env = made.env;
    this.#ports = made.ports;
    made.receiver.answer = (request) => {
      if (this.status < 300) {
        this.batches.add(request);
        const text = request.body.toString('latin1');
        this.told.push(...(text.match(/Error L10[^\n]*/g) ?? []));
        for (const [, n] of text.matchAll(/ n=(\d+) /g)) this.arrived.add(Number(n));
      }
      return { status: this.status };
    };
  }

  static async make(options: RigOptions = {}): Promise<FaultRig> {
    const directory = await mkdtemp(join(tmpdir(), 'spillway-faults-'));
    const dataDir = join(directory, 'data');
    await mkdir(dataDir);
    if (options.disk !== undefined) {
      const mounted = spawnSync('mount', [
        ...['-t', 'tmpfs', '-o', `size=${options.disk}`],
        ...['spillway', dataDir],
      ]);
      if (mounted.status !== 0) throw new Error(`mount: ${mounted.stderr.toString()}`);
    }
    return new FaultRig({
      directory,
      receiver: await HttpsReceiver.listen(),
      isMounted: options.disk !== undefined,
      env: {
        SPILLWAY_EGRESS_ALLOW: '127.0.0.0/8',
        SPILLWAY_EGRESS_PLAIN: '1',
        ...options.env,
      },
      ports: { public: await freePort(), admin: await freePort() },
    });
  }

  /** Starts it, waits until it is ready, and makes an account, the app `demo` and, unless told not to, its drain. */
  async begin(options: { drainOptions?: string; withoutDrain?: boolean } = {}): Promise<void> {
    this.launch();
    await this.ready();
    this.client = await PlatformClient.signUp(this.publicUrl, this.dataDir);
    this.token = await this.client.createApp('demo');
    if (options.withoutDrain) return;
    await this.client.addDrain('demo', this.receiver.url('/logs') + (options.drainOptions ?? ''));
  }

  get publicUrl(): string {
    return `http://127.0.0.1:${this.#ports.public}`;
  }

  /** Starts a process without waiting for anything. */
  launch(options: LaunchOptions = {}): void {
    const program = [process.execPath, join(import.meta.dirname, '../../src/main.ts')];
    const words = [...(options.wrapper ?? []), ...program];
    const child = spawn(words[0] ?? '', words.slice(1), {
      env: {
        PATH: process.env['PATH'] ?? '',
        SPILLWAY_DATA_DIR: this.dataDir,
        SPILLWAY_LISTEN: `127.0.0.1:${this.#ports.public}`,
        SPILLWAY_ADMIN_LISTEN: `127.0.0.1:${this.#ports.admin}`,
        ...this.#env,
        ...options.env,
      },
      stdio: ['ignore', 'ignore', 'pipe'],
      // A group of its own: what is wrapped must not outlive its wrapper.
      detached: true,
    });
    this.log = [];
    const { log } = this;
    createInterface({ input: child.stderr }).on('line', (line) => log.push(parse(line)));
    this.#child = child;
    this.#exited = once(child, 'exit').then(([code]) => code as number | null);
  }

  /** Sends a signal; resolves with the exit code, null when the signal killed it. */
  async end(signal: NodeJS.Signals = 'SIGKILL'): Promise<number | null> {
    const child = this.#child;
    if (child?.pid !== undefined && this.isRunning) process.kill(-child.pid, signal);
    return this.#exited;
  }

  /** How the process ended by itself. */
  get exited(): Promise<number | null> {
    return this.#exited;
  }

  get isRunning(): boolean {
    return this.#child?.exitCode === null && this.#child.signalCode === null;
  }

  async restart(signal: NodeJS.Signals, options: LaunchOptions = {}): Promise<void> {
    await this.end(signal);
    this.launch(options);
    await this.ready();
  }

  /** `/readyz`: the status, and what is wrong by part. Status 0 while nobody answers. */
  async readyz(): Promise<{ status: number; wrong: Record<string, string> }> {
    try {
      const response = await fetch(`http://127.0.0.1:${this.#ports.admin}/readyz`);
      const { parts } = (await response.json()) as { parts: Record<string, string> };
      const wrong = Object.entries(parts).filter(([, said]) => said !== 'ok');
      return { status: response.status, wrong: Object.fromEntries(wrong) };
    } catch {
      return { status: 0, wrong: {} };
    }
  }

  async ready(withinMs = 10_000): Promise<void> {
    await eventually(
      'ready',
      async () => {
        if (!this.isRunning) throw new Error(`it ended: ${JSON.stringify(this.log.slice(-5))}`);
        return (await this.readyz()).status === 200;
      },
      withinMs,
    );
  }

  /** The sum of a metric's samples whose labels contain `labels`. */
  async metric(name: string, labels = ''): Promise<number> {
    const text = await (await fetch(`http://127.0.0.1:${this.#ports.admin}/metrics`)).text();
    let sum = 0;
    for (const line of text.split('\n')) {
      const match = /^([a-z_]+)(\{[^}]*\})? (\S+)$/.exec(line);
      if (match?.[1] === name && (match[2] ?? '').includes(labels)) sum += Number(match[3]);
    }
    return sum;
  }

  async drain(): Promise<ShownDrain> {
    const [first] = (await this.client?.drains('demo')) ?? [];
    return (await this.client?.call(
      'GET',
      `/api/apps/demo/drains/${first?.id}`,
      200,
    )) as ShownDrain;
  }

  /** The app's last lines, as its tail shows them. */
  async tail(lines = 1500): Promise<string[]> {
    const path = `/api/apps/demo/logs?num_lines=${lines}&follow=False`;
    const response = await this.client?.request('GET', path);
    return ((await response?.text()) ?? '').split('\n').slice(0, -1);
  }

  /** Bytes on the data directory's disk, taken from everybody else; the returned function gives them back. */
  fill(bytes: number | 'all'): () => Promise<void> {
    const file = join(this.dataDir, 'ballast');
    const count = bytes === 'all' ? [] : [`count=${Math.ceil(bytes / 65_536)}`];
    spawnSync('dd', ['if=/dev/zero', `of=${file}`, 'bs=65536', ...count]);
    return () => rm(file);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGKILL');
    await this.receiver[Symbol.asyncDispose]();
    // A process that was killed a moment ago may not have given its files up.
    for (let i = 0; this.#isMounted && i < 50; i++) {
      if (spawnSync('umount', [this.dataDir]).status === 0) break;
      await pause(100);
    }
    await rm(this.directory, { recursive: true, force: true });
  }
}

function parse(line: string): Record<string, unknown> {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return { msg: line };
  }
}

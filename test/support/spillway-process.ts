import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { createInterface } from 'node:readline';

export interface SpillwayProcessOptions {
  readonly dataDir: string;
  readonly env?: Readonly<Record<string, string>>;
  /** `host:port` to listen on; a restart wants the same one. */
  readonly listen?: string;
  /** Another copy's `main.ts`. */
  readonly main?: string;
  /** For node itself. */
  readonly nodeArgs?: readonly string[];
  /** Called before it is ready, for those who do not want to wait for that. */
  readonly onSpawn?: (child: ChildProcess) => void;
}

/** Spillway as an operator runs it: a process of its own, spoken to only from outside. */
export class SpillwayProcess {
  readonly publicUrl: string;
  readonly adminUrl: string;
  /** Of the syslog doors that are open: first TCP, then TLS. */
  readonly syslogUrls: readonly string[];
  /** What it logged, one object a line. */
  readonly log: readonly Record<string, unknown>[];
  readonly #child: ChildProcess;
  readonly #exited: Promise<number | null>;

  private constructor(
    child: ChildProcess,
    ready: Record<string, unknown>,
    log: Record<string, unknown>[],
  ) {
    this.#child = child;
    this.publicUrl = String(ready['publicUrl']);
    this.adminUrl = String(ready['adminUrl']);
    this.syslogUrls = ready['syslogUrls'] as readonly string[];
    this.log = log;
    this.#exited = once(child, 'exit').then(([code]) => code as number | null);
  }

  /** Starts it and waits until it says that it is ready. */
  static async start(options: SpillwayProcessOptions): Promise<SpillwayProcess> {
    const args = [...(options.nodeArgs ?? []), options.main ?? 'src/main.ts'];
    const child = spawn(process.execPath, args, {
      env: {
        PATH: process.env['PATH'] ?? '',
        SPILLWAY_DATA_DIR: options.dataDir,
        SPILLWAY_LISTEN: options.listen ?? '127.0.0.1:0',
        SPILLWAY_ADMIN_LISTEN: '127.0.0.1:0',
        ...options.env,
      },
      stdio: ['ignore', 'inherit', 'pipe'],
    });
    options.onSpawn?.(child);
    const log: Record<string, unknown>[] = [];
    const lines = createInterface({ input: child.stderr });
    const ready = new Promise<Record<string, unknown>>((resolve, reject) => {
      lines.on('line', (line) => {
        const entry = parse(line);
        log.push(entry);
        if (entry['msg'] === 'process.ready') resolve(entry);
      });
      child.once('exit', (code) => {
        const said = log.slice(-5).map((entry) => JSON.stringify(entry));
        reject(new Error(`Spillway ended with ${code} before it was ready:\n${said.join('\n')}`));
      });
    });
    return new SpillwayProcess(child, await ready, log);
  }

  get pid(): number {
    return this.#child.pid ?? 0;
  }

  /** `host:port` of the public door. */
  get address(): string {
    return new URL(this.publicUrl).host;
  }

  get hasEnded(): boolean {
    return this.#child.exitCode !== null || this.#child.signalCode !== null;
  }

  /** Resolves with the exit code, null when a signal killed it. */
  get ended(): Promise<number | null> {
    return this.#exited;
  }

  /** Sends a signal without waiting. */
  signal(name: NodeJS.Signals): void {
    this.#child.kill(name);
  }

  /** Sends a signal and waits for the end; resolves with the exit code, null when the signal killed it. */
  async end(name: NodeJS.Signals = 'SIGTERM'): Promise<number | null> {
    if (this.#child.exitCode === null && this.#child.signalCode === null) this.#child.kill(name);
    return this.#exited;
  }

  /** The sum of a metric's samples whose labels contain `labels`. */
  async metric(name: string, labels = ''): Promise<number> {
    const text = await (await fetch(`${this.adminUrl}/metrics`)).text();
    let sum = 0;
    for (const line of text.split('\n')) {
      const match = /^([a-z_]+)(\{[^}]*\})? (\S+)$/.exec(line);
      if (match?.[1] === name && (match[2] ?? '').includes(labels)) sum += Number(match[3]);
    }
    return sum;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.end('SIGKILL');
  }
}

function parse(line: string): Record<string, unknown> {
  try {
    return JSON.parse(line) as Record<string, unknown>;
  } catch {
    return { msg: line };
  }
}

/** Asks until it is so; for what happens in another process. */
export async function eventually(
  what: string,
  isSo: () => boolean | Promise<boolean>,
  withinMs = 30_000,
): Promise<void> {
  const untilMs = Date.now() + withinMs;
  while (!(await isSo())) {
    if (Date.now() > untilMs) throw new Error(`not within ${withinMs} ms: ${what}`);
    await new Promise((resolve) => setTimeout(resolve, 25));
  }
}

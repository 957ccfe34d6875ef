import { spawn, spawnSync, type ChildProcess } from 'node:child_process';
import { cpus, setPriority } from 'node:os';
import { createInterface } from 'node:readline';

const isLinux = process.platform === 'linux';
export const canPin =
  isLinux && cpus().length > 1 && spawnSync('taskset', ['--version']).status === 0;

/** Keeps a process, with all its threads, on one core. */
export function pin(pid: number, core: number): void {
  if (canPin) spawnSync('taskset', ['-a', '-p', '-c', String(core), String(pid)]);
}

/** A process of a bench beside Spillway. It answers each line on its stdin with one line of JSON. */
export class BenchChild {
  readonly #child: ChildProcess;
  readonly #lines: AsyncIterator<string>;
  #asked: Promise<unknown> = Promise.resolve();

  private constructor(child: ChildProcess) {
    this.#child = child;
    if (!child.stdout) throw new Error('a child without stdout');
    this.#lines = createInterface({ input: child.stdout })[Symbol.asyncIterator]();
  }

  /** On core 1; `nice` makes it give way to the others there. Resolves with its first line. */
  static async start<T>(
    args: readonly string[],
    options: { nice?: number } = {},
  ): Promise<{ child: BenchChild; first: T }> {
    const process_ = spawn(process.execPath, args, { stdio: ['pipe', 'pipe', 'inherit'] });
    pin(process_.pid ?? 0, 1);
    if (options.nice !== undefined) setPriority(process_.pid ?? 0, options.nice);
    const child = new BenchChild(process_);
    return { child, first: await child.#next<T>() };
  }

  ask<T>(question: string): Promise<T> {
    const answer = this.#asked.then(() => {
      this.#child.stdin?.write(`${question}\n`);
      return this.#next<T>();
    });
    this.#asked = answer.catch(() => undefined);
    return answer;
  }

  stop(): void {
    this.#child.kill();
  }

  async #next<T>(): Promise<T> {
    const next = await this.#lines.next();
    if (next.done) throw new Error('a process of the bench has ended');
    return JSON.parse(next.value) as T;
  }
}

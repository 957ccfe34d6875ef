import { spawn } from 'node:child_process';
import { mkdir, readFile } from 'node:fs/promises';
import { join } from 'node:path';
import { gigalixir } from './needs.ts';

export interface CliResult {
  readonly code: number;
  readonly stdout: string;
  readonly stderr: string;
}

/**
 * The platform's own command line, unmodified, pointed at an installation: plain HTTP goes through us as its
 * proxy, so that the request targets are in absolute form and the netrc entries keep the real hosts.
 */
export class GigalixirCli {
  readonly home: string;
  readonly #proxy: string;

  private constructor(home: string, publicUrl: string) {
    this.home = home;
    this.#proxy = publicUrl;
  }

  static async at(home: string, publicUrl: string): Promise<GigalixirCli> {
    await mkdir(join(home, 'work'), { recursive: true });
    const cli = new GigalixirCli(home, publicUrl);
    await cli.#run('git', ['init', '-q'], {});
    return cli;
  }

  run(...args: string[]): Promise<CliResult> {
    return this.#run(gigalixir.path, ['--env', 'prod', ...args], {});
  }

  /** Runs with a terminal and answers prompts: `[what is asked, what to type]`, in order. */
  converse(
    args: readonly string[],
    answers: readonly (readonly [string, string])[],
  ): Promise<CliResult> {
    const python = join(gigalixir.path, '../python3');
    const command = JSON.stringify([gigalixir.path, '--env', 'prod', ...args]);
    return this.#run(python, ['-c', driver, command, JSON.stringify(answers)], {});
  }

  /** Starts a command that does not end by itself. */
  follow(...args: string[]): { output(): string; stop(): Promise<number | null> } {
    const child = spawn(gigalixir.path, ['--env', 'prod', ...args], this.#options());
    let output = '';
    child.stdout.on('data', (chunk: Buffer) => (output += chunk.toString('latin1')));
    const ended = new Promise<number | null>((resolve) => child.once('exit', resolve));
    return {
      output: () => output,
      stop: () => {
        child.kill('SIGTERM');
        return ended;
      },
    };
  }

  async netrc(): Promise<string> {
    return readFile(join(this.home, '.netrc'), 'utf8');
  }

  #options() {
    return {
      cwd: join(this.home, 'work'),
      env: {
        PATH: process.env['PATH'] ?? '',
        HOME: this.home,
        LC_ALL: 'C.UTF-8',
        GIGALIXIR_ENV: 'test',
        GIGALIXIR_CLI__HOST: 'http://api.gigalixir.com',
        http_proxy: this.#proxy,
      },
      stdio: ['ignore', 'pipe', 'pipe'] as ['ignore', 'pipe', 'pipe'],
    };
  }

  async #run(command: string, args: readonly string[], env: object): Promise<CliResult> {
    const options = this.#options();
    const child = spawn(command, args, { ...options, env: { ...options.env, ...env } });
    const stdout: Buffer[] = [];
    const stderr: Buffer[] = [];
    child.stdout.on('data', (chunk: Buffer) => stdout.push(chunk));
    child.stderr.on('data', (chunk: Buffer) => stderr.push(chunk));
    const code = await new Promise<number>((resolve, reject) => {
      child.once('error', reject);
      child.once('close', (exit) => resolve(exit ?? -1));
    });
    return {
      code,
      stdout: Buffer.concat(stdout).toString('latin1'),
      stderr: Buffer.concat(stderr).toString(),
    };
  }
}

/** Types the answers at the prompts of a program on a pseudo-terminal. `@file:` answers are read from the newest mail. */
const driver = `
import json, os, pty, re, sys, time
command, answers = json.loads(sys.argv[1]), json.loads(sys.argv[2])
pid, fd = pty.fork()
if pid == 0:
    os.execv(command[0], command)
seen = ''
def code_of(outbox):
    for name in sorted(os.listdir(outbox), reverse=True):
        found = re.search(r'(?m)^([A-Z0-9]{6,12})\\r?$', open(os.path.join(outbox, name)).read())
        if found: return found.group(1)
for prompt, answer in answers:
    while prompt not in seen:
        seen += os.read(fd, 4096).decode('utf-8', 'replace')
    seen = seen[seen.index(prompt) + len(prompt):]
    time.sleep(0.2)
    if answer.startswith('@code:'): answer = code_of(answer[6:])
    os.write(fd, answer.encode() + b'\\n')
try:
    while True:
        chunk = os.read(fd, 4096)
        if not chunk: break
        sys.stdout.buffer.write(chunk)
except OSError: pass
sys.exit(os.waitstatus_to_exitcode(os.waitpid(pid, 0)[1]))
`;

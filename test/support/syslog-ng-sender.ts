import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync } from 'node:fs';
import { mkdir, writeFile } from 'node:fs/promises';
import { join, resolve } from 'node:path';

/** Where syslog-ng's packages were unpacked: SYSLOG_NG names it, or `.cache/syslog-ng`. */
const root = resolve(process.env['SYSLOG_NG'] ?? '.cache/syslog-ng');
const binary = join(root, 'usr/sbin/syslog-ng');

export const hasSyslogNgSender = existsSync(binary);

/** A real syslog-ng that forwards what stands in a file. */
export class SyslogNgSender {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  /** `destination` is the inside of one: a driver with its options. */
  static async start(
    directory: string,
    destination: string,
    lines: string,
  ): Promise<SyslogNgSender> {
    await mkdir(directory, { recursive: true });
    const at = (file: string): string => join(directory, file);
    await writeFile(at('lines.log'), lines);
    await writeFile(at('syslog-ng.conf'), configuration(at('lines.log'), destination));
    const libraries = ['usr/lib/syslog-ng', ...globSync('{usr/,}lib/*-linux-gnu', { cwd: root })];
    const [modules = ''] = globSync(join(root, 'usr/lib/syslog-ng/*/'));
    const child = spawn(
      binary,
      [
        '--foreground',
        '--no-caps',
        `--module-path=${modules}`,
        `--cfgfile=${at('syslog-ng.conf')}`,
        `--persist-file=${at('persist')}`,
        `--pidfile=${at('pid')}`,
        `--control=${at('control')}`,
      ],
      {
        stdio: 'ignore',
        env: {
          ...process.env,
          LD_LIBRARY_PATH: libraries.map((library) => join(root, library)).join(':'),
        },
      },
    );
    return new SyslogNgSender(child);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill('SIGKILL');
    await once(this.#child, 'exit');
  }
}

function configuration(file: string, destination: string): string {
  return `
@version: 3.35
options { keep-hostname(yes); log-msg-size(65536); time-reopen(1); log-fifo-size(200000); };
source s { file("${file}" flags(no-parse) follow-freq(1) program-override("app")); };
destination d { ${destination} };
log { source(s); destination(d); flags(flow-control); };
`;
}

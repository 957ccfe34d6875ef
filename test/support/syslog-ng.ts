import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync, globSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { connect } from 'node:net';
import { join, resolve } from 'node:path';
import { eventually } from './spillway-process.ts';

/** Where syslog-ng's packages were unpacked: SYSLOG_NG names it, or `.cache/syslog-ng`. */
const root = resolve(process.env['SYSLOG_NG'] ?? '.cache/syslog-ng');
const binary = join(root, 'usr/sbin/syslog-ng');

export const hasSyslogNg = existsSync(binary);

/** syslog-ng's package and rsyslog's exclude each other, so it is unpacked and not installed. */
export const syslogNgInstall =
  'apt-get download syslog-ng-core libivykis0 libjson-c5 libnet1 libpcre3 libwrap0 libglib2.0-0, and dpkg -x each into .cache/syslog-ng';

/** A real syslog-ng with a configuration of ours. */
export class SyslogNg implements AsyncDisposable {
  readonly #directory: string;
  #child: ChildProcess | undefined;

  private constructor(directory: string) {
    this.#directory = directory;
  }

  /** Resolves when it accepts connections at `port`. */
  static async start(directory: string, configuration: string, port: number): Promise<SyslogNg> {
    const syslogNg = new SyslogNg(directory);
    await writeFile(join(directory, 'syslog-ng.conf'), configuration);
    syslogNg.#spawn();
    await eventually('syslog-ng accepts connections', () => canConnect(port));
    return syslogNg;
  }

  /** What it has written to a file of its directory. */
  read(file: string): Promise<string> {
    return readFile(join(this.#directory, file), 'utf8').catch(() => '');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    const child = this.#child;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  #spawn(): void {
    const at = (file: string): string => join(this.#directory, file);
    const [modules = ''] = globSync(join(root, 'usr/lib/syslog-ng/*/'));
    const libraries = [
      'usr/lib/syslog-ng',
      'usr/lib/x86_64-linux-gnu',
      'lib/x86_64-linux-gnu',
      'usr/lib/aarch64-linux-gnu',
      'lib/aarch64-linux-gnu',
    ].map((directory) => join(root, directory));
    this.#child = spawn(
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
      { stdio: 'ignore', env: { ...process.env, LD_LIBRARY_PATH: libraries.join(':') } },
    );
  }
}

function canConnect(port: number): Promise<boolean> {
  return new Promise((done) => {
    const socket = connect(port, '127.0.0.1');
    socket.once('connect', () => {
      socket.destroy();
      done(true);
    });
    socket.once('error', () => done(false));
  });
}

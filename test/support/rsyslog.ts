import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { existsSync } from 'node:fs';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { canConnect } from './can-connect.ts';
import { hasCommand } from './needs.ts';
import { eventually } from './spillway-process.ts';

export const hasRsyslog =
  hasCommand('rsyslogd') && existsSync('/usr/lib/x86_64-linux-gnu/rsyslog/lmnsd_gtls.so')
    ? true
    : hasCommand('rsyslogd') && hasCommand('dpkg') && existsSync('/usr/lib/rsyslog/lmnsd_gtls.so');

export interface RsyslogOptions {
  readonly directory: string;
  readonly port: number;
  readonly caFile: string;
  readonly certFile: string;
  readonly keyFile: string;
  /** Peers without a valid certificate are refused. */
  readonly wantsClients?: boolean;
  /** Its own, 8 KiB, when it is null. */
  readonly maxMessageSize?: string | null;
}

/** A real rsyslog that takes octet-counted syslog over TLS and writes each message's text to a file. */
export class Rsyslog {
  readonly port: number;
  readonly #directory: string;
  #child: ChildProcess | undefined;

  private constructor(directory: string, port: number) {
    this.#directory = directory;
    this.port = port;
  }

  static async start(options: RsyslogOptions): Promise<Rsyslog> {
    const rsyslog = new Rsyslog(options.directory, options.port);
    await writeFile(join(options.directory, 'rsyslog.conf'), configuration(options));
    await rsyslog.restart();
    return rsyslog;
  }

  /** Starts it (again); resolves when it accepts connections. */
  async restart(): Promise<void> {
    const conf = join(this.#directory, 'rsyslog.conf');
    const pid = join(this.#directory, 'rsyslog.pid');
    this.#child = spawn('rsyslogd', ['-n', '-f', conf, '-i', pid], { stdio: 'ignore' });
    await eventually('rsyslog accepts connections', () => canConnect(this.port));
  }

  /** Sends a signal without waiting. */
  signal(name: NodeJS.Signals): void {
    this.#child?.kill(name);
  }

  async stop(signal: NodeJS.Signals = 'SIGTERM'): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill(signal);
    await once(child, 'exit');
  }

  /** What it has written so far: one message a line, `APP-NAME PROCID|text`. */
  async lines(): Promise<string[]> {
    const text = await readFile(join(this.#directory, 'received.log'), 'latin1').catch(() => '');
    return text.split('\n').slice(0, -1);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop('SIGKILL');
  }
}

function configuration(options: RsyslogOptions): string {
  const { wantsClients = false, maxMessageSize = '64k' } = options;
  return `
global(
  workDirectory="${options.directory}"
  ${maxMessageSize === null ? '' : `maxMessageSize="${maxMessageSize}"`}
  parser.escapeControlCharactersOnReceive="off"
  defaultNetstreamDriver="gtls"
  defaultNetstreamDriverCAFile="${options.caFile}"
  defaultNetstreamDriverCertFile="${options.certFile}"
  defaultNetstreamDriverKeyFile="${options.keyFile}"
)
module(load="imtcp" streamDriver.name="gtls" streamDriver.mode="1" streamDriver.authMode="${wantsClients ? 'x509/certvalid' : 'anon'}")
template(name="text" type="string" string="%app-name% %procid%|%msg:::drop-last-lf%\\n")
input(type="imtcp" port="${options.port}" address="127.0.0.1" ruleset="receive")
ruleset(name="receive") {
  action(type="omfile" file="${join(options.directory, 'received.log')}" template="text" flushOnTXEnd="on" asyncWriting="off")
}
`;
}

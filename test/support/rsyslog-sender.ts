import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { mkdir, writeFile } from 'node:fs/promises';
import { join } from 'node:path';

export interface RsyslogSenderOptions {
  /** For its configuration and state; one for each sender. */
  readonly directory: string;
  /** `syslog://host:port`, or `syslog+tls:`. */
  readonly url: string;
  readonly framing: 'octet-counted' | 'traditional';
  /** The message, in rsyslog's template language. */
  readonly template: string;
  readonly caFile?: string;
  /** Pause after each batch of its queue, 128 messages. */
  readonly pauseUs?: number;
}

/** As in docs/operations.md. */
export function templateWithData(token: string): string {
  const data = `[spillway@32473 token=\\"${token}\\"]`;
  return `<%PRI%>1 %TIMESTAMP:::date-rfc3339% %HOSTNAME% %APP-NAME% %PROCID% - ${data}%msg:::sp-if-no-1st-sp%%msg%`;
}

/** What a BSD sender whose program is called like the token would send. */
export function templateWithTag(token: string): string {
  return `<%PRI%>%TIMESTAMP% %HOSTNAME% ${token}[web.1]:%msg:::sp-if-no-1st-sp%%msg%`;
}

/** A real rsyslog that forwards what stands in a file. */
export class RsyslogSender {
  readonly #child: ChildProcess;

  private constructor(child: ChildProcess) {
    this.#child = child;
  }

  static async start(options: RsyslogSenderOptions, lines: string): Promise<RsyslogSender> {
    await mkdir(options.directory, { recursive: true });
    await writeFile(join(options.directory, 'lines.log'), lines);
    const conf = join(options.directory, 'rsyslog.conf');
    await writeFile(conf, configuration(options));
    const pid = join(options.directory, 'rsyslog.pid');
    const child = spawn('rsyslogd', ['-n', '-f', conf, '-i', pid], { stdio: 'ignore' });
    return new RsyslogSender(child);
  }

  /** It sends what it still has and ends. */
  async stop(): Promise<void> {
    await this.#end('SIGTERM');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#end('SIGKILL');
  }

  async #end(signal: NodeJS.Signals): Promise<void> {
    if (this.#child.exitCode !== null || this.#child.signalCode !== null) return;
    this.#child.kill(signal);
    await once(this.#child, 'exit');
  }
}

function configuration(options: RsyslogSenderOptions): string {
  const { protocol, hostname, port } = new URL(options.url);
  const tls =
    protocol === 'syslog+tls:'
      ? 'StreamDriver="gtls" StreamDriverMode="1" StreamDriverAuthMode="x509/name" StreamDriverPermittedPeers="localhost"'
      : '';
  return `
global(
  workDirectory="${options.directory}"
  maxMessageSize="64k"
  localHostname="sender"
  ${options.caFile === undefined ? '' : `defaultNetstreamDriverCAFile="${options.caFile}"`}
)
module(load="imfile")
template(name="spillway" type="string" string="${options.template}")
input(type="imfile" file="${join(options.directory, 'lines.log')}" tag="app" ruleset="forward")
ruleset(name="forward") {
  action(type="omfwd" protocol="tcp" target="${hostname}" port="${port}" template="spillway"
         TCP_Framing="${options.framing}" ${tls}
         queue.type="LinkedList" queue.size="1000000" queue.dequeueBatchSize="128" queue.dequeueSlowdown="${options.pauseUs ?? 0}"
         action.resumeRetryCount="-1" action.resumeInterval="1")
}
`;
}

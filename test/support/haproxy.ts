import { spawn, type ChildProcess } from 'node:child_process';
import { once } from 'node:events';
import { writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { canConnect } from './can-connect.ts';
import type { Credentials } from './certificates.ts';
import { hasCommand } from './needs.ts';
import { eventually } from './spillway-process.ts';

export const hasHaproxy = hasCommand('haproxy');
export const haproxyInstall = 'apt-get install haproxy';

export interface HaproxyOptions {
  readonly directory: string;
  readonly port: number;
  /** Of the receiver behind it, which speaks plain HTTP. */
  readonly receiverPort: number;
  readonly credentials: Credentials;
  /** Clients must have a certificate of this authority. */
  readonly clientCa?: string;
}

/** A real HAProxy that ends TLS in front of a receiver. */
export class Haproxy implements AsyncDisposable {
  readonly #options: HaproxyOptions;
  #child: ChildProcess | undefined;

  private constructor(options: HaproxyOptions) {
    this.#options = options;
  }

  static async start(options: HaproxyOptions): Promise<Haproxy> {
    const { directory, credentials, clientCa } = options;
    await writeFile(join(directory, 'haproxy.pem'), credentials.cert + credentials.key);
    if (clientCa !== undefined) await writeFile(join(directory, 'clients.pem'), clientCa);
    await writeFile(join(directory, 'haproxy.cfg'), configuration(options));
    const haproxy = new Haproxy(options);
    await haproxy.restart();
    return haproxy;
  }

  async restart(): Promise<void> {
    const file = join(this.#options.directory, 'haproxy.cfg');
    this.#child = spawn('haproxy', ['-db', '-q', '-f', file], { stdio: 'ignore' });
    await eventually('HAProxy accepts connections', () => canConnect(this.#options.port));
  }

  async kill(): Promise<void> {
    const child = this.#child;
    this.#child = undefined;
    if (!child || child.exitCode !== null || child.signalCode !== null) return;
    child.kill('SIGKILL');
    await once(child, 'exit');
  }

  [Symbol.asyncDispose](): Promise<void> {
    return this.kill();
  }
}

function configuration({ directory, port, receiverPort, clientCa }: HaproxyOptions): string {
  const clients = clientCa === undefined ? '' : `ca-file ${directory}/clients.pem verify required`;
  return `
global
  maxconn 200
defaults
  mode http
  timeout connect 1s
  timeout client 10s
  timeout server 2s
frontend drains
  bind 127.0.0.1:${port} ssl crt ${directory}/haproxy.pem ${clients}
  default_backend receivers
backend receivers
  server one 127.0.0.1:${receiverPort}
`;
}

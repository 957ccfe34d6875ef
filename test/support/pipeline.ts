import { mkdtemp, rm, writeFile } from 'node:fs/promises';
import { createServer, type AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { BatchLedger } from './batch-ledger.ts';
import { CertificateAuthority } from './certificates.ts';
import { HttpsReceiver } from './https-receiver.ts';
import { startLogShuttle } from './log-shuttle.ts';
import { isFollowedByEmpty, NumberLedger, numberedLine } from './numbered-lines.ts';
import { PlatformClient } from './platform-client.ts';
import { SpillwayProcess } from './spillway-process.ts';

/** A whole installation on loopback: Spillway, an https receiver, certificates, an account and an app. */
export class Pipeline {
  readonly directory: string;
  readonly dataDir: string;
  readonly authority: CertificateAuthority;
  readonly batches = new BatchLedger();
  readonly tail = new NumberLedger();
  readonly token: string;
  readonly client: PlatformClient;
  readonly https: HttpsReceiver;
  spillway: SpillwayProcess;
  readonly #env: Record<string, string>;
  readonly #aborts: AbortController[] = [];

  private constructor(made: {
    directory: string;
    authority: CertificateAuthority;
    https: HttpsReceiver;
    spillway: SpillwayProcess;
    env: Record<string, string>;
    client: PlatformClient;
    token: string;
  }) {
    this.directory = made.directory;
    this.dataDir = join(made.directory, 'data');
    this.authority = made.authority;
    this.https = made.https;
    this.spillway = made.spillway;
    this.#env = made.env;
    this.client = made.client;
    this.token = made.token;
    made.https.answer = (request) => {
      this.batches.add(request);
      return { status: 204 };
    };
  }

  static async start(env: Record<string, string> = {}): Promise<Pipeline> {
    const directory = await mkdtemp(join(tmpdir(), 'spillway-pipeline-'));
    const authority = new CertificateAuthority();
    await writeFile(join(directory, 'ca.pem'), authority.pem);
    const https = await HttpsReceiver.listen(
      authority.issue({ hosts: ['localhost', '127.0.0.1'] }),
    );
    const all = {
      SPILLWAY_EGRESS_ALLOW: '127.0.0.0/8,::1/128',
      SPILLWAY_EGRESS_CA_FILE: join(directory, 'ca.pem'),
      ...env,
    };
    const dataDir = join(directory, 'data');
    const spillway = await SpillwayProcess.start({ dataDir, env: all });
    const client = await PlatformClient.signUp(spillway.publicUrl, dataDir);
    const token = await client.createApp('demo');
    await client.addDrain('demo', https.url('/logs'));
    return new Pipeline({ directory, authority, https, spillway, env: all, client, token });
  }

  /** Ends Spillway with a signal and starts it again on the same address and data. */
  async restart(signal: NodeJS.Signals): Promise<void> {
    const listen = this.spillway.address;
    await this.spillway.end(signal);
    this.spillway = await SpillwayProcess.start({ dataDir: this.dataDir, env: this.#env, listen });
  }

  /** Follows the app's log and counts what it shows. */
  async follow(): Promise<{ ended: Promise<string> }> {
    const abort = new AbortController();
    this.#aborts.push(abort);
    const path = '/api/apps/demo/logs?num_lines=0&follow=True';
    const response = await this.client.request('GET', path, undefined, abort.signal);
    return { ended: this.#read(response) };
  }

  /**
   * Pipes numbered lines through log-shuttle, never more than `aheadMax` ahead of what the https receiver has.
   * log-shuttle drops what exceeds its 25,000 lines of buffer, and does not retry while more than 60 % of it are full.
   */
  async pipe(
    count: number,
    names: { app?: string; pod?: string },
    aheadMax = 20_000,
  ): Promise<number> {
    const url = `http://token:${this.token}@${this.spillway.address}/logs`;
    const { child, ended } = startLogShuttle(url, names);
    for (let n = 0; n < count; n++) {
      while (n - this.batches.lines.highest > aheadMax) await pause(10);
      const line = numberedLine(n) + (isFollowedByEmpty(n) ? '\n' : '');
      if (!child.stdin.write(line))
        await new Promise((resolve) => child.stdin.once('drain', resolve));
    }
    child.stdin.end();
    return ended;
  }

  /** What Spillway logged of its drains, for the message of a failed expectation. */
  drainLog(): string {
    const entries = this.spillway.log.filter((entry) => String(entry['msg']).startsWith('drain'));
    return entries.map((entry) => JSON.stringify(entry)).join('\n');
  }

  async [Symbol.asyncDispose](): Promise<void> {
    for (const abort of this.#aborts) abort.abort();
    await this.spillway.end('SIGKILL');
    await this.https[Symbol.asyncDispose]();
    await rm(this.directory, { recursive: true, force: true });
  }

  async #read(response: Response): Promise<string> {
    let rest = '';
    const decoder = new TextDecoder();
    try {
      for await (const chunk of response.body ?? []) {
        const lines = (rest + decoder.decode(chunk as Uint8Array, { stream: true })).split('\n');
        rest = lines.pop() ?? '';
        for (const line of lines) this.tail.add(line.slice(line.indexOf(']: ') + 3));
      }
      return 'whole';
    } catch {
      return 'cut';
    }
  }
}

/** A port that was free a moment ago. */
export async function freePort(): Promise<number> {
  const server = createServer();
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  const { port } = server.address() as AddressInfo;
  await new Promise((resolve) => server.close(resolve));
  return port;
}

export function pause(ms: number): Promise<void> {
  return new Promise((resolve) => setTimeout(resolve, ms));
}

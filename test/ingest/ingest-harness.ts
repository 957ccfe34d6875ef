import { createServer, type Server } from 'node:http';
import { connect, type AddressInfo, type Socket } from 'node:net';
import { Registry } from 'prom-client';
import type { StoredRecord } from '../../src/bus/bus.ts';
import { DependencyError } from '../../src/core/errors.ts';
import { appId, type AppId } from '../../src/core/ids.ts';
import type { LogRecord } from '../../src/core/record.ts';
import { IngestMetrics } from '../../src/ingest/ingest-metrics.ts';
import { Ingest, type IngestOptions } from '../../src/ingest/ingest.ts';
import type { TokenDirectory } from '../../src/ingest/token-cache.ts';
import { temporaryDirectory } from '../support/embedded.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { MemoryLog } from '../support/memory-log.ts';
import { silentLogger } from '../support/silent-logger.ts';

export const token = 't.feff49f1-4d55-4c9e-aee1-2d2b10e69b42';
const demo = appId(1);

const ingestDefaults: Omit<IngestOptions, 'dataDir'> = {
  holdMsMax: 4000,
  bodyMsMax: 20_000,
  bodyBytesMax: 8 << 20,
  bytesInFlightMax: 128 << 20,
  messageBytesMax: 10_240,
  headersMax: 64,
  retryAfterMs: 5000,
  strict: false,
  tokenFreshMs: 5000,
  tokenAskMsMax: 1000,
  tokenRetryMs: 1000,
  tokensMax: 1000,
  tokenAsksMax: 100,
  tokensSaveMs: 5000,
  repeatWindowMs: 120_000,
  repeatsMax: 1000,
  appBytesPerSecond: 4 << 20,
  appMessagesPerSecond: 20_000,
  appBurstBytesMax: 512 << 20,
  appBurstMessagesMax: 2_000_000,
  appBucketsMax: 1000,
  noticeIntervalMs: 10_000,
};

/** A log whose appends wait until they are let go, when they are stopped. */
export class GatedLog extends MemoryLog {
  isStopped = false;
  readonly #waiting: (() => void)[] = [];
  down: string | undefined;

  get waiting(): number {
    return this.#waiting.length;
  }

  override async append(records: readonly LogRecord[]): Promise<void> {
    if (this.isStopped) await new Promise<void>((go) => this.#waiting.push(go));
    await super.append(records);
  }

  letGo(): void {
    this.isStopped = false;
    for (const go of this.#waiting.splice(0)) go();
  }

  override problem(): string | undefined {
    return this.down;
  }
}

/** The registry: one token, as far as it answers. */
export class Directory implements TokenDirectory {
  asked = 0;
  isDown = false;
  isSilent = false;
  owner: { app: AppId; appName: string } | undefined = { app: demo, appName: 'demo' };

  async findToken(): Promise<{ app: AppId; appName: string } | undefined> {
    this.asked++;
    if (this.isSilent) await new Promise(() => undefined);
    if (this.isDown) throw new DependencyError('REGISTRY_UNAVAILABLE', 'no');
    return this.owner;
  }
}

export interface Harness extends AsyncDisposable {
  readonly log: GatedLog;
  readonly clock: FakeClock;
  readonly directory: Directory;
  readonly ingest: Ingest;
  readonly server: Server;
  readonly port: number;
  readonly dataDir: string;
  /** Every record of the log. */
  records(): Promise<LogRecord[]>;
  metric(name: string, labels?: Record<string, string>): Promise<number>;
}

export async function startIngest(
  options: Partial<IngestOptions> = {},
  parts: {
    log?: GatedLog;
    clock?: FakeClock;
    directory?: Directory;
    recent?: AsyncIterable<StoredRecord>;
  } = {},
): Promise<Harness> {
  const directoryOnDisk = await temporaryDirectory();
  const dataDir = options.dataDir ?? directoryOnDisk.path;
  const log = parts.log ?? new GatedLog();
  const clock = parts.clock ?? new FakeClock();
  const directory = parts.directory ?? new Directory();
  const registry = new Registry();
  const ingest = new Ingest(
    { ...ingestDefaults, ...options, dataDir },
    { bus: log, directory, clock, logger: silentLogger, metrics: new IngestMetrics(registry) },
  );
  await ingest.start(parts.recent ?? none());
  const server = createServer((req, res) => ingest.handler.handle(req, res));
  await new Promise<void>((resolve) => server.listen(0, '127.0.0.1', resolve));
  return {
    log,
    clock,
    directory,
    ingest,
    server,
    port: (server.address() as AddressInfo).port,
    dataDir,
    records: async () => (await storedIn(log)).map(({ record }) => record),
    metric: async (name, labels = {}) => {
      const { values } = (await registry.getSingleMetric(name)?.get()) ?? { values: [] };
      const found = values.find((value) =>
        Object.entries(labels).every(([key, text]) => value.labels[key] === text),
      );
      return found?.value ?? NaN;
    },
    [Symbol.asyncDispose]: async () => {
      log.letGo();
      await ingest.close(AbortSignal.abort());
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await directoryOnDisk[Symbol.asyncDispose]();
    },
  };
}

// eslint-disable-next-line @typescript-eslint/require-await
async function* none(): AsyncIterable<StoredRecord> {}

export async function storedIn(log: MemoryLog): Promise<readonly StoredRecord[]> {
  const from = { logId: log.logId, partition: 0, offset: 0, line: 0 };
  return (await log.read(from, Number.MAX_SAFE_INTEGER)).records;
}

export interface Reply {
  readonly status: number;
  readonly reason: string;
  readonly headers: ReadonlyMap<string, string>;
  readonly body: string;
}

/** One raw connection, so that anything can be sent over it. */
export class Client {
  readonly socket: Socket;
  received = '';
  isClosed = false;

  constructor(port: number) {
    this.socket = connect({ port, host: '127.0.0.1', allowHalfOpen: true });
    this.socket.on('data', (chunk: Buffer) => (this.received += chunk.toString('latin1')));
    this.socket.on('end', () => (this.isClosed = true));
    this.socket.on('error', () => (this.isClosed = true));
    this.socket.on('close', () => (this.isClosed = true));
  }

  send(...parts: (string | Buffer)[]): this {
    for (const part of parts) this.socket.write(part);
    return this;
  }

  /** The next whole answer, or undefined when the connection was closed instead. */
  async reply(): Promise<Reply | undefined> {
    await until(() => this.isClosed || this.#end() > 0);
    const end = this.#end();
    if (end === 0) return undefined;
    const text = this.received.slice(0, end);
    this.received = this.received.slice(end);
    return parseReply(text);
  }

  close(): void {
    this.socket.destroy();
  }

  #end(): number {
    const head = this.received.indexOf('\r\n\r\n');
    if (head < 0) return 0;
    const length = Number(/\ncontent-length: (\d+)/i.exec(this.received)?.[1] ?? 0);
    return this.received.length >= head + 4 + length ? head + 4 + length : 0;
  }
}

function parseReply(text: string): Reply {
  const [head = '', body = ''] = text.split('\r\n\r\n');
  const [status = '', ...lines] = head.split('\r\n');
  const [, code, reason = ''] = /^HTTP\/1.1 (\d+) ?(.*)$/.exec(status) ?? [];
  const headers = new Map(
    lines.map((line) => [
      line.slice(0, line.indexOf(':')).toLowerCase(),
      line.slice(line.indexOf(':') + 2),
    ]),
  );
  return { status: Number(code), reason, headers, body };
}

/** Turns of the loop until something is so; sockets need a few. */
export async function until(isSo: () => boolean, turns = 200_000): Promise<void> {
  for (let turn = 0; !isSo(); turn++) {
    if (turn > turns) throw new Error('it did not happen');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

export const basic = (secret: string, user = 'token'): string =>
  `Basic ${Buffer.from(`${user}:${secret}`).toString('base64')}`;

/** A request as log-shuttle sends it, or with other headers; undefined leaves one out. */
export function request(
  body: string | Buffer,
  headers: Record<string, string | undefined> = {},
  line = 'POST /logs HTTP/1.1',
): Buffer {
  const bytes = Buffer.from(body as string);
  const all: Record<string, string | undefined> = {
    Host: 'logs.example',
    Authorization: basic(token),
    'Content-Type': 'application/logplex-1',
    'Content-Length': String(bytes.length),
    ...headers,
  };
  const head = Object.entries(all)
    .filter(([, value]) => value !== undefined)
    .map(([name, value]) => `${name}: ${value}\r\n`)
    .join('');
  return Buffer.concat([Buffer.from(`${line}\r\n${head}\r\n`), bytes]);
}

export const shuttle = { 'User-Agent': 'log-shuttle/0.22.0 (go1.20; linux; amd64; gc)' };

/** Sends one request over a connection of its own. */
export async function post(
  { port }: { port: number },
  body: string | Buffer,
  headers: Record<string, string | undefined> = {},
  line?: string,
): Promise<Reply | undefined> {
  const client = new Client(port).send(request(body, headers, line));
  const reply = await client.reply();
  client.close();
  return reply;
}

import http from 'node:http';
import type { AddressInfo, Socket } from 'node:net';
import { Registry } from 'prom-client';
import { WebSocket } from 'ws';
import type { StoredRecord } from '../../src/bus/bus.ts';
import type { Sink } from '../../src/bus/sink.ts';
import { appId, type AppId } from '../../src/core/ids.ts';
import type { Position } from '../../src/core/position.ts';
import { TailHub, type TailOptions } from '../../src/tail/tail-hub.ts';
import { TailMetrics } from '../../src/tail/tail-metrics.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { MemoryLog } from '../support/memory-log.ts';
import { linesRecord } from '../support/records.ts';
import { silentLogger } from '../support/silent-logger.ts';

export const app = appId(7);

const tailOptions: TailOptions = {
  historyLines: 100,
  historyLinesMax: 1500,
  historyAgeMsMax: 7 * 24 * 3600 * 1000,
  resumeLinesMax: 100_000,
  coalesceMs: 20,
  clientQueueBytesMax: 256 * 1024,
  appQueueBytesMax: 4 * 1024 * 1024,
  stallMsMax: 60_000,
  authoriseEveryMs: 60_000,
  pingEveryMs: 20_000,
  checkEveryMs: 5000,
  sessionsMax: 10_000,
  appSessionsMax: 100,
  originsAllowed: [],
};

/** A log whose reads can be held up and be made to fail, to play the races of history and live lines. */
export class GatedLog extends MemoryLog {
  reads = 0;
  failRead: Error | undefined;
  #gate: Promise<void> | undefined;
  #open: (() => void) | undefined;

  holdReads(): void {
    this.#gate ??= new Promise((resolve) => (this.#open = resolve));
  }

  releaseReads(): void {
    this.#open?.();
    this.#gate = undefined;
  }

  override async read(...args: Parameters<MemoryLog['read']>): ReturnType<MemoryLog['read']> {
    this.reads++;
    if (this.failRead) throw this.failRead;
    // What a held read sees is what was durable when it began.
    const page = await super.read(...args);
    await this.#gate;
    return page;
  }
}

/** Hands an app's live records to its sinks at once, unless told to keep them: then tests offer them as they like. */
export class FakeRouter {
  isPaused = false;
  readonly kept: StoredRecord[] = [];
  readonly #sinks = new Map<AppId, Set<Sink>>();

  constructor(log: MemoryLog) {
    log.subscribe({
      assigned: () => undefined,
      revoked: () => undefined,
      records: (_partition, records) => {
        for (const record of records) {
          if (this.isPaused) this.kept.push(record);
          else this.offer(record);
        }
      },
    });
  }

  attach(app: AppId, sink: Sink): () => void {
    const sinks = this.#sinks.get(app) ?? new Set();
    this.#sinks.set(app, sinks.add(sink));
    return () => void sinks.delete(sink);
  }

  sinks(app: AppId): number {
    return this.#sinks.get(app)?.size ?? 0;
  }

  offer(record: StoredRecord | undefined): void {
    if (!record) throw new Error('no such record');
    for (const sink of this.#sinks.get(record.record.app) ?? []) sink.offer(record);
  }
}

/** A hub behind a real server, on a log and a clock of the test. */
export class TailWorld implements AsyncDisposable {
  readonly clock = new FakeClock();
  readonly log = new GatedLog();
  readonly router = new FakeRouter(this.log);
  readonly registry = new Registry();
  readonly metrics = new TailMetrics(this.registry);
  readonly hub: TailHub;
  authorised: () => Promise<boolean> = () => Promise.resolve(true);
  readonly #server: http.Server;
  readonly #clients: { destroy(): void }[] = [];
  #lines = 0;

  constructor(options: Partial<TailOptions> = {}) {
    const { log: bus, clock, metrics, router } = this;
    this.hub = new TailHub(
      { ...tailOptions, ...options },
      { bus, clock, metrics, logger: silentLogger, attach: (a, sink) => router.attach(a, sink) },
    );
    this.#server = http.createServer((req, res) => {
      const query = new URL(req.url ?? '', 'http://x').searchParams;
      const n = query.get('n');
      const numLines = n === null ? ('default' as const) : Number(n);
      const request = { app, numLines, follow: query.get('follow') !== 'False' };
      void this.hub.stream(request, res, () => this.authorised());
    });
    this.#server.on('upgrade', (req, socket: Socket, head: Buffer) => {
      const query = new URL(req.url ?? '', 'http://x').searchParams;
      this.hub.upgrade({ app, query }, req, socket, head, () => this.authorised());
    });
  }

  async listen(): Promise<this> {
    await new Promise<void>((resolve) => this.#server.listen(0, '127.0.0.1', resolve));
    return this;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  tail(query = '', headers: http.OutgoingHttpHeaders = {}): TailClient {
    const client = new TailClient(this.port, `/?${query}`, headers);
    this.#clients.push(client);
    return client;
  }

  websocket(query = '', headers: http.OutgoingHttpHeaders = {}): WebsocketClient {
    const client = new WebsocketClient(`ws://127.0.0.1:${this.port}/?${query}`, headers);
    this.#clients.push(client);
    return client;
  }

  /** Appends one record with so many lines: `0`, `1`, … counting on over all records. */
  async append(lines = 1, padding = 0): Promise<void> {
    const pad = padding > 0 ? ` ${'x'.repeat(padding)}` : '';
    const texts = Array.from({ length: lines }, () => `${this.#lines++}${pad}`);
    await this.log.append([linesRecord(app, texts, { receivedAtMs: this.clock.nowMs() })]);
  }

  /** Lets time and sockets go on until it is so. */
  async until(isSo: () => boolean): Promise<void> {
    for (let turn = 0; turn < 3000; turn++) {
      if (isSo()) return;
      await this.clock.advance(1);
    }
    throw new Error('it never came to pass');
  }

  /** Gives what should not happen the time to happen. */
  async pass(ms = 100): Promise<void> {
    for (let passed = 0; passed < ms; passed += 10) await this.clock.advance(10);
  }

  /** Shuts the hub down while time goes on. */
  async close(signal = new AbortController().signal): Promise<void> {
    let isClosed = false;
    const closing = this.hub.close(signal).then(() => (isClosed = true));
    await this.until(() => isClosed);
    await closing;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.log.releaseReads();
    for (const client of this.#clients) client.destroy();
    await this.hub.close(AbortSignal.abort());
    this.#server.closeAllConnections();
    await new Promise((resolve) => this.#server.close(resolve));
  }
}

/** A plain tail: what came, and how it ended. */
export class TailClient {
  text = '';
  status: number | undefined;
  headers: http.IncomingHttpHeaders = {};
  /** `end`: with its final chunk. `cut`: without. */
  ended: 'end' | 'cut' | undefined;
  response: http.IncomingMessage | undefined;
  readonly #request: http.ClientRequest;

  constructor(port: number, path: string, headers: http.OutgoingHttpHeaders) {
    this.#request = http.get({ host: '127.0.0.1', port, path, headers, agent: false }, (res) => {
      this.response = res;
      this.status = res.statusCode;
      this.headers = res.headers;
      res.setEncoding('latin1');
      res.on('data', (text: string) => (this.text += text));
      res.on('end', () => (this.ended ??= 'end'));
      res.on('error', () => (this.ended ??= 'cut'));
    });
    this.#request.on('error', () => (this.ended ??= 'cut'));
  }

  /** The texts of the lines, without time, source and process. */
  get lines(): string[] {
    return this.text
      .split('\n')
      .slice(0, -1)
      .map((line) => line.slice(line.indexOf(']: ') + 3));
  }

  /** The numbers that {@link TailWorld.append} wrote, in the order in which they came. */
  get numbers(): number[] {
    return this.lines.filter((line) => /^\d/.test(line)).map((line) => Number.parseInt(line));
  }

  /** How many lines it was told that it lost. */
  get dropped(): number {
    const told = this.lines.map((line) => /^Error L11 .* dropped (\d+) messages/.exec(line)?.[1]);
    return told.reduce((sum, count) => sum + Number(count ?? 0), 0);
  }

  /** Stops reading; the kernel's buffers fill up. */
  pause(): void {
    this.response?.pause();
  }

  resume(): void {
    this.response?.resume();
  }

  destroy(): void {
    this.#request.destroy();
  }
}

export interface SeenLine {
  position: string;
  time: string;
  source: string;
  process: string;
  severity: number;
  message: string;
  base64?: string;
}

interface SeenMessage {
  lines?: SeenLine[];
  dropped?: { count: number; since: string };
  gap?: { from: string; to: string; lines?: number };
}

export class WebsocketClient {
  readonly messages: SeenMessage[] = [];
  readonly ws: WebSocket;
  status: number | undefined;
  body = '';
  code: number | undefined;
  reason = '';
  pings = 0;

  constructor(url: string, headers: http.OutgoingHttpHeaders) {
    this.ws = new WebSocket(url, { headers: headers as Record<string, string> });
    this.ws.on('message', (data: Buffer) => {
      this.messages.push(JSON.parse(data.toString()) as SeenMessage);
    });
    this.ws.on('ping', () => this.pings++);
    this.ws.on('error', () => undefined);
    this.ws.on('unexpected-response', (_request, response: http.IncomingMessage) => {
      this.status = response.statusCode;
      response.on('data', (data: Buffer) => (this.body += data.toString()));
      response.on('end', () => (this.code = 0));
    });
    this.ws.on('close', (code, reason: Buffer) => {
      this.code ??= code;
      this.reason = reason.toString();
    });
  }

  get lines(): SeenLine[] {
    return this.messages.flatMap(({ lines }) => lines ?? []);
  }

  get numbers(): number[] {
    return this.lines.map(({ message }) => Number.parseInt(message));
  }

  get dropped(): number {
    return this.messages.reduce((sum, { dropped }) => sum + (dropped?.count ?? 0), 0);
  }

  destroy(): void {
    this.ws.terminate();
  }
}

export function range(from: number, to: number): number[] {
  return Array.from({ length: to - from }, (_, i) => from + i);
}

export function positionOf(log: MemoryLog, offset: number, line = 0): Position {
  return { logId: log.logId, partition: 0, offset, line };
}

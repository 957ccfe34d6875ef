/**
 * Posts numbered lines of many apps at a fixed rate, whatever the answers take, and measures how long each takes from
 * the moment at which it was due. Usage: node bench/pipeline/paced-load.ts <host:port> <file with streams>
 * The file: a JSON array of {token, lines (per request), everyMs, first (number of the first line), limit?: lines}.
 * everyMs 0 means as fast as they are acknowledged. One connection per stream. To each line on stdin it answers with
 * one line of JSON: `phase [<name>]`, `report`, `sent` (lines acknowledged by stream), `stop`.
 */
import { randomUUID } from 'node:crypto';
import { readFileSync } from 'node:fs';
import { connect, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { nowMicros, numberedFrame } from './numbered-frame.ts';
import { Samples, type Summary } from './samples.ts';

export interface LoadStream {
  readonly token: string;
  readonly lines: number;
  readonly everyMs: number;
  readonly first: number;
  readonly limit?: number;
}

/** What `report` answers. */
export interface LoadReport {
  /** Of requests, by phase, until the answer. */
  readonly latencies: Record<string, Summary>;
  /** Requests whose connection was closed, sent again. */
  readonly retried: number;
}

const [address = '', file = ''] = process.argv.slice(2);
const [host = '127.0.0.1', port = '0'] = address.split(':');
if (host !== '127.0.0.1') throw new Error('load goes to 127.0.0.1 only');
const streams = JSON.parse(readFileSync(file, 'utf8')) as LoadStream[];
const samples = new Samples();
/** Its multiples are spread evenly, whatever part of them is taken. */
const goldenRatio = 0.618034;
let isStopping = false;
let retried = 0;

/** One app's lines in order: the next request goes out once the last one is acknowledged. */
class Sender {
  acknowledged = 0;
  readonly done: Promise<void>;
  readonly #stream: LoadStream;
  readonly #head: string;
  #socket: Socket | undefined;
  #waiting: { request: string; dueMs: number } | undefined;
  #next: number;
  #dueMs: number;
  #isFinished = false;
  #finish = (): void => {};

  constructor(stream: LoadStream, i: number) {
    this.#stream = stream;
    this.#next = stream.first;
    // Spread over the interval: containers do not send in step.
    this.#dueMs = performance.now() + stream.everyMs * ((i * goldenRatio) % 1);
    const credentials = Buffer.from(`token:${stream.token}`).toString('base64');
    this.#head =
      `POST /logs HTTP/1.1\r\nHost: ${address}\r\nAuthorization: Basic ${credentials}\r\n` +
      `Content-Type: application/logplex-1\r\nUser-Agent: log-shuttle/bench\r\n`;
    this.done = new Promise((resolve) => (this.#finish = resolve));
    this.#connect();
    this.#schedule();
  }

  #connect(): void {
    const socket = connect(Number(port), host);
    socket.setNoDelay(true);
    let seen = '';
    socket.on('data', (chunk) => {
      seen += chunk.toString('latin1');
      if (!seen.includes('\r\n\r\n')) return;
      if (!seen.startsWith('HTTP/1.1 204')) throw new Error(`not acknowledged: ${seen}`);
      seen = '';
      this.#answered();
    });
    socket.on('error', () => undefined);
    // As log-shuttle does: the same request again.
    socket.on('close', () => {
      if (this.#isFinished) return;
      retried++;
      this.#connect();
      if (this.#waiting) this.#socket?.write(this.#waiting.request);
    });
    this.#socket = socket;
  }

  #schedule(): void {
    const { everyMs, limit, first } = this.#stream;
    if (isStopping || (limit !== undefined && this.#next - first >= limit)) {
      this.#isFinished = true;
      this.#finish();
      this.#socket?.end();
      return;
    }
    const waitMs = everyMs === 0 ? 0 : this.#dueMs - performance.now();
    if (waitMs <= 0) this.#send();
    else setTimeout(() => this.#schedule(), waitMs);
  }

  #send(): void {
    const { lines, everyMs } = this.#stream;
    const dueMs = everyMs === 0 ? performance.now() : this.#dueMs;
    const micros = nowMicros();
    let body = '';
    for (let i = 0; i < lines; i++) body += numberedFrame(this.#next++, micros);
    const request =
      `${this.#head}Logplex-Msg-Count: ${lines}\r\nX-Request-Id: ${randomUUID()}\r\n` +
      `Content-Length: ${body.length}\r\n\r\n${body}`;
    this.#waiting = { request, dueMs };
    this.#dueMs += everyMs;
    this.#socket?.write(request);
  }

  #answered(): void {
    if (!this.#waiting) throw new Error('an answer to nothing');
    samples.add(performance.now() - this.#waiting.dueMs);
    this.#waiting = undefined;
    this.acknowledged += this.#stream.lines;
    this.#schedule();
  }
}

const senders = streams.map((stream, i) => new Sender(stream, i));
const say = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);
say({ streams: streams.length });
for await (const line of createInterface({ input: process.stdin })) {
  const [command, name] = line.split(' ');
  if (command === 'phase') samples.phase(name);
  if (command === 'stop') isStopping = true;
  if (command === 'stop' || command === 'finish') {
    await Promise.all(senders.map(({ done }) => done));
  }
  if (command === 'report') say({ latencies: samples.summary, retried });
  else say({ sent: senders.map(({ acknowledged }) => acknowledged) });
}
process.exit();

/**
 * Receives numbered lines and checks per drain that each comes exactly once and in order.
 * Usage: node bench/pipeline/ledger-receiver.ts <http|syslog>. http tells drains apart by path, syslog by HOSTNAME.
 * Prints {"port"}; to each line on stdin it answers with one line of JSON: `phase [<name>]`,
 * `closed <seconds>` (503 with Retry-After for so long), `passed <n>` (drains that have taken n lines), `sick`, `report`.
 * From `sick` on, paths that begin with /slow, /hang and /reset are answered after 5 s, never, and with RST.
 */
import { createServer as createHttp, type IncomingMessage, type ServerResponse } from 'node:http';
import { createServer as createTcp, type AddressInfo, type Socket } from 'node:net';
import { createInterface } from 'node:readline';
import { eachFrame, nowMicros, readNumbers } from './numbered-frame.ts';
import { Samples, type Summary } from './samples.ts';

export interface LedgerReport {
  /** By drain: lines taken, the number of the next one, and how many came out of turn. */
  readonly drains: Record<string, { lines: number; next: number; gaps: number; repeats: number }>;
  readonly lines: number;
  readonly latencies: Record<string, Summary>;
  /** By phase. */
  readonly taken: Record<string, { lines: number; seconds: number }>;
}

interface Ledger {
  lines: number;
  next: number;
  gaps: number;
  repeats: number;
}

const [kind = 'http'] = process.argv.slice(2);
const samples = new Samples();
const ledgers = new Map<string, Ledger>();
const taken: Record<string, { lines: number; seconds: number }> = {};
let phase = '';
let lines = 0;
let phaseStartedMs = 0;
let phaseStartedLines = 0;
let closedUntilMs = 0;
let isSick = false;

function ledgerOf(drain: string): Ledger {
  let ledger = ledgers.get(drain);
  if (!ledger) ledgers.set(drain, (ledger = { lines: 0, next: 0, gaps: 0, repeats: 0 }));
  return ledger;
}

function take(ledger: Ledger, bytes: Buffer): number {
  const now = nowMicros();
  return eachFrame(bytes, (end) => {
    const { number, micros } = readNumbers(bytes, end);
    if (number > ledger.next) ledger.gaps += number - ledger.next;
    if (number < ledger.next) ledger.repeats++;
    ledger.next = Math.max(ledger.next, number + 1);
    ledger.lines++;
    lines++;
    samples.add((now - micros) / 1000);
  });
}

function answer(req: IncomingMessage, res: ServerResponse): void {
  const { url = '' } = req;
  const chunks: Buffer[] = [];
  req.on('data', (chunk: Buffer) => chunks.push(chunk));
  req.on('end', () => {
    if (isSick && url.startsWith('/hang')) return;
    if (isSick && url.startsWith('/reset')) return void req.socket.resetAndDestroy();
    if (isSick && url.startsWith('/slow')) {
      setTimeout(() => res.writeHead(204).end(), 5000);
      return;
    }
    const closedMs = closedUntilMs - performance.now();
    if (closedMs > 0) {
      res.writeHead(503, { 'retry-after': String(Math.ceil(closedMs / 1000)) }).end();
      return;
    }
    take(ledgerOf(url), Buffer.concat(chunks));
    res.writeHead(204).end();
  });
}

function listen(socket: Socket): void {
  let rest: Buffer = Buffer.alloc(0);
  let ledger: Ledger | undefined;
  socket.on('error', () => undefined);
  socket.on('data', (chunk: Buffer) => {
    const bytes = rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk;
    ledger ??= ledgerOf(bytes.toString('latin1', 0, 200).split(' ')[3] ?? '');
    rest = Buffer.from(bytes.subarray(take(ledger, bytes)));
  });
}

function enter(name: string | undefined): void {
  const nowMs = performance.now();
  if (phase !== '') {
    const seconds = (nowMs - phaseStartedMs) / 1000;
    taken[phase] = { lines: lines - phaseStartedLines, seconds };
  }
  phase = name ?? '';
  phaseStartedMs = nowMs;
  phaseStartedLines = lines;
  samples.phase(name);
}

function passed(count: number): number {
  return [...ledgers.values()].filter(({ next }) => next >= count).length;
}

function report(): LedgerReport {
  return { drains: Object.fromEntries(ledgers), lines, latencies: samples.summary, taken };
}

const say = (value: unknown): void => void process.stdout.write(`${JSON.stringify(value)}\n`);
const server = kind === 'http' ? createHttp({ keepAliveTimeout: 0 }, answer) : createTcp(listen);
server.listen({ port: 0, host: '127.0.0.1', backlog: 4096 }, () =>
  say({ port: (server.address() as AddressInfo).port }),
);
for await (const line of createInterface({ input: process.stdin })) {
  const [command, argument] = line.split(' ');
  if (command === 'phase') enter(argument);
  if (command === 'sick') isSick = true;
  if (command === 'closed') closedUntilMs = performance.now() + Number(argument) * 1000;
  if (command === 'report') say(report());
  else if (command === 'passed') say({ lines, passed: passed(Number(argument)) });
  else say({ lines });
}
process.exit();

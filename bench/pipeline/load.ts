/**
 * Posts batches of log lines over keep-alive connections as fast as they are acknowledged, and stops by itself.
 * Usage: node bench/pipeline/load.ts <host:port> <token> <lines per request> <requests> <connections>
 * Prints one JSON line: requests, lines, seconds. Raw sockets and prebuilt requests: the load must cost less than
 * what it measures.
 */
import { randomUUID } from 'node:crypto';
import { connect } from 'node:net';

const [address = '', token = '', perRequest = '5', total = '1000', connections = '50'] =
  process.argv.slice(2);
const [host = '127.0.0.1', port = '0'] = address.split(':');
if (host !== '127.0.0.1') throw new Error('load goes to 127.0.0.1 only');

const lineBytes = 215;
const linesPerRequest = Number(perRequest);
let remaining = Number(total);
let answered = 0;

/** A frame of 215 bytes, its count included, as log-shuttle makes it. */
function frame(): string {
  const header = '<190>1 2026-01-01T00:00:00.123456+00:00 pod-7f9c-abcde bench web.1 - - ';
  const text = 'x'.repeat(lineBytes - 4 - header.length - 1);
  return `${header.length + text.length + 1} ${header}${text}\n`;
}

const body = frame().repeat(linesPerRequest);
const head = (id: string) =>
  `POST /logs HTTP/1.1\r\nHost: ${address}\r\nAuthorization: Basic ${Buffer.from(`token:${token}`).toString('base64')}\r\n` +
  `Content-Type: application/logplex-1\r\nLogplex-Msg-Count: ${linesPerRequest}\r\nX-Request-Id: ${id}\r\n` +
  `User-Agent: log-shuttle/bench\r\nContent-Length: ${body.length}\r\n\r\n`;

/** Of its own for each run: a repeated id is a repeated batch, which is not stored again. */
const runPrefix = randomUUID().slice(0, 24);

function uuid(n: number): string {
  return runPrefix + n.toString(16).padStart(12, '0');
}

async function run(worker: number): Promise<void> {
  const socket = connect(Number(port), host);
  socket.setNoDelay(true);
  let sequence = 0;
  const next = (): boolean => {
    if (remaining <= 0) return false;
    remaining--;
    socket.write(head(uuid(worker * 1e9 + sequence++)) + body);
    return true;
  };
  await new Promise<void>((resolve, reject) => {
    socket.on('error', reject);
    socket.on('connect', () => {
      if (!next()) resolve();
    });
    let seen = '';
    socket.on('data', (chunk) => {
      seen += chunk.toString('latin1');
      const end = seen.indexOf('\r\n\r\n');
      if (end < 0) return;
      if (!seen.startsWith('HTTP/1.1 204'))
        reject(new Error(`not acknowledged: ${seen.slice(0, 200)}`));
      seen = seen.slice(end + 4);
      answered++;
      if (!next()) resolve();
    });
    socket.on('close', () => reject(new Error('closed')));
  });
  socket.destroy();
}

const startedMs = performance.now();
await Promise.all(Array.from({ length: Number(connections) }, (_, i) => run(i)));
const seconds = (performance.now() - startedMs) / 1000;
process.stdout.write(
  `${JSON.stringify({ requests: answered, lines: answered * linesPerRequest, seconds })}\n`,
);

/**
 * What log-shuttle 0.22 does on the wire, for machines without it. Usage as log-shuttle's:
 * node log-shuttle-model.ts -logs-url=http://token:T@host:port/logs -appname A -hostname H -procid P
 *   -num-outlets 1 -batch-size=5 -back-buff=5000
 * One outlet; a batch is full or 250 ms old; chunked bodies, one chunk a frame; 5 s for an answer; three attempts
 * at transport errors, with the same X-Request-Id; a status of 400 and more is never retried; lines over 10,000
 * bytes are split; what does not fit in the buffer is dropped and reported as L12, what was given up as L13.
 */
import { randomUUID } from 'node:crypto';
import { Agent, request } from 'node:http';

const args = new Map<string, string>();
const words = process.argv.slice(2);
for (let i = 0; i < words.length; i++) {
  const [name = '', value] = (words[i] ?? '').split('=', 2);
  args.set(name.replace(/^-+/, ''), value ?? words[++i] ?? '');
}

const url = new URL(args.get('logs-url') ?? '');
const appName = args.get('appname') ?? 'token';
const hostName = args.get('hostname') ?? 'shuttle';
const procId = args.get('procid') ?? 'shuttle';
const batchLines = Number(args.get('batch-size') ?? 500);
const bufferBatches = Number(args.get('back-buff') ?? 50);
const lineBytesMax = 10_000;
const batchAgeMs = 250;
const attemptsMax = 3;
const answerMs = 5000;

const agent = new Agent({ keepAlive: true, maxSockets: 1 });
const authorization = `Basic ${Buffer.from(`${decodeURIComponent(url.username)}:${decodeURIComponent(url.password)}`).toString('base64')}`;
const batches: Buffer[][] = [];
let open: Buffer[] = [];
let openSinceMs = 0;
let dropped = 0;
let lost = 0;
let hasEnded = false;
let ring: () => void = () => undefined;

function frame(line: Buffer, pri = 190, host = hostName, proc = procId): Buffer {
  const time = new Date().toISOString().replace('Z', '000+00:00');
  const header = Buffer.from(`<${pri}>1 ${time} ${host} ${appName} ${proc} - - `);
  return Buffer.concat([Buffer.from(`${header.length + line.length} `), header, line]);
}

function closeBatch(): void {
  if (open.length === 0) return;
  if (batches.length >= bufferBatches) dropped += open.length;
  else batches.push(open);
  open = [];
  ring();
}

function take(line: Buffer): void {
  for (let at = 0; at < line.length; at += lineBytesMax) {
    if (open.length === 0) openSinceMs = Date.now();
    open.push(frame(line.subarray(at, at + lineBytesMax)));
    if (open.length >= batchLines) closeBatch();
  }
}

function post(frames: readonly Buffer[], id: string): Promise<void> {
  return new Promise((resolve, reject) => {
    const req = request(
      url,
      {
        method: 'POST',
        agent,
        headers: {
          authorization,
          'content-type': 'application/logplex-1',
          'logplex-msg-count': String(frames.length),
          'user-agent': 'log-shuttle/model (node)',
          'x-request-id': id,
          'transfer-encoding': 'chunked',
        },
      },
      (res) => {
        res.resume();
        res.on('end', resolve);
        if ((res.statusCode ?? 0) >= 400)
          process.stderr.write(`at=post status=${res.statusCode}\n`);
      },
    );
    req.setTimeout(answerMs, () => req.destroy(new Error('timeout')));
    req.on('error', reject);
    for (const bytes of frames) req.write(bytes);
    req.end();
  });
}

async function deliver(batch: Buffer[]): Promise<void> {
  const id = randomUUID();
  const since = new Date().toISOString();
  for (let attempt = 1; attempt <= attemptsMax; attempt++) {
    const notices = [
      ...(dropped > 0
        ? [
            frame(
              Buffer.from(`Error L12: ${dropped} messages dropped since ${since}\n`),
              172,
              'heroku',
              'log-shuttle',
            ),
          ]
        : []),
      ...(lost > 0
        ? [
            frame(
              Buffer.from(`Error L13: ${lost} messages lost since ${since}\n`),
              172,
              'heroku',
              'log-shuttle',
            ),
          ]
        : []),
    ];
    try {
      await post([...notices, ...batch], id);
      dropped = lost = 0;
      return;
    } catch (error) {
      const isEof = (error as NodeJS.ErrnoException).code === 'ECONNRESET';
      if (batches.length > bufferBatches * 0.6) break;
      await new Promise((resolve) => setTimeout(resolve, attempt * (isEof ? 100 : 1000)));
    }
  }
  lost += batch.length;
}

async function outlet(): Promise<void> {
  while (!hasEnded || batches.length > 0) {
    const batch = batches.shift();
    if (batch) await deliver(batch);
    else await new Promise<void>((resolve) => (ring = resolve));
  }
}

let rest = Buffer.alloc(0);
process.stdin.on('data', (chunk: Buffer) => {
  let bytes = Buffer.concat([rest, chunk]);
  for (let end = bytes.indexOf(10); end >= 0; end = bytes.indexOf(10)) {
    take(bytes.subarray(0, end + 1));
    bytes = bytes.subarray(end + 1);
  }
  rest = bytes;
});
process.stdin.on('end', () => {
  if (rest.length > 0) take(rest);
  closeBatch();
  hasEnded = true;
  ring();
});
const timer = setInterval(() => {
  if (open.length > 0 && Date.now() - openSinceMs >= batchAgeMs) closeBatch();
}, 25);
await outlet();
clearInterval(timer);
agent.destroy();

import { mkdtemp, readdir, readFile, rm } from 'node:fs/promises';
import { createServer, request, type IncomingHttpHeaders, type Server } from 'node:http';
import type { AddressInfo } from 'node:net';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry as MetricsRegistry } from 'prom-client';
import { createController, type Controller } from '../../src/controller/controller.ts';
import type {
  AppHead,
  DrainCommands,
  DrainGate,
  DrainVerdict,
  DrainWatch,
  LogRequest,
  LogStreams,
  ReplayAnswer,
  ReplayFrom,
} from '../../src/controller/controller-parts.ts';
import type { Mailer } from '../../src/controller/mail/mailer.ts';
import { OutboxMailer } from '../../src/controller/mail/outbox-mailer.ts';
import { systemChance } from '../../src/core/chance.ts';
import { systemClock, type Clock } from '../../src/core/clock.ts';
import type { AppId, DrainId } from '../../src/core/ids.ts';
import { openKeyRing } from '../../src/registry/key-ring.ts';
import type { Registry } from '../../src/registry/registry.ts';
import { openSqlRegistry } from '../../src/registry/sql/sql-registry.ts';

const registryDefaults = {
  busyMsMax: 1000,
  apiKeysPerUserMax: 1000,
  sshKeysPerUserMax: 50,
  codeAttemptsMax: 5,
  appsPerUserMax: 100,
  permissionsPerAppMax: 25,
  logTokensPerAppMax: 10,
  drainsPerAppMax: 5,
};

export const controllerDefaults = {
  publicUrl: 'http://spillway.test',
  logsUrl: 'http://spillway.test/logs',
  tokenGraceMs: 86_400_000,
  bodyBytesMax: 65_536,
  passwords: { memoryKib: 19_456, passes: 2, concurrentMax: 2, waitingMax: 64 },
  passwordAttempts: {
    windowMs: 900_000,
    perPairMax: 10,
    perAccountMax: 100,
    perAddressMax: 1000,
  },
  mailAttempts: { windowMs: 3_600_000, perPairMax: 5, perAccountMax: 20, perAddressMax: 100 },
  drainTests: { windowMs: 60_000, perPairMax: 3, perAccountMax: 6, perAddressMax: 100 },
  attemptEntriesMax: 100_000,
  mailsPendingMax: 1000,
  trustedProxies: [] as string[],
};

/** A cheap password hash, for tests that are not about it. */
const cheapPasswords = { ...controllerDefaults.passwords, memoryKib: 64, passes: 1 };

export interface Answer {
  readonly status: number;
  readonly headers: IncomingHttpHeaders;
  readonly text: string;
  readonly json: { data?: unknown; errors?: { '': string[] } };
}

/** A controller behind a real HTTP server, on a real SQLite file, with the parts it hands over to replaced. */
export interface Scratch extends AsyncDisposable {
  readonly directory: string;
  readonly port: number;
  readonly registry: Registry;
  readonly metrics: MetricsRegistry;
  readonly logged: { readonly event: string; readonly fields: object }[];
  readonly announced: string[];
  readonly streams: { readonly asked: LogRequest[]; authorised: (() => Promise<boolean>)[] };
  readonly commands: StubCommands;
  call(method: string, path: string, options?: CallOptions): Promise<Answer>;
  /** Signs up; the answer is the `Authorization` of the new account. */
  account(email: string, password?: string): Promise<Credentials>;
  mails(to: string): Promise<string[]>;
  code(to: string): Promise<string>;
}

export interface CallOptions {
  readonly auth?: Credentials | string | undefined;
  readonly body?: unknown;
  readonly headers?: Record<string, string>;
  readonly raw?: string;
}

export interface Credentials {
  readonly user: string;
  readonly password: string;
}

export interface ScratchOverrides {
  readonly options?: Partial<typeof controllerDefaults>;
  readonly clock?: Clock;
  readonly mailer?: Mailer;
  readonly logStreams?: LogStreams;
  readonly appHead?: AppHead;
  readonly port?: number;
}

export async function scratchController(overrides: ScratchOverrides = {}): Promise<Scratch> {
  const directory = await mkdtemp(join(tmpdir(), 'spillway-controller-'));
  const clock = overrides.clock ?? systemClock;
  const chance = systemChance;
  const logged: Scratch['logged'] = [];
  const log = (fields: object, event: string): void => void logged.push({ fields, event });
  const logger = { debug: log, info: log, warn: log, error: log };
  const keyRing = await openKeyRing({ file: join(directory, 'keys') }, { chance, logger });
  const registry = await openSqlRegistry(
    { ...registryDefaults, file: join(directory, 'registry.db') },
    { keyRing, clock, chance, logger },
  );
  const announced: string[] = [];
  const outbox = new OutboxMailer(
    {
      directory: join(directory, 'outbox'),
      from: 'Spillway <no-reply@spillway.test>',
      filesMax: 1000,
    },
    { announce: (line) => void announced.push(line), clock, chance },
  );
  const streams: Scratch['streams'] = { asked: [], authorised: [] };
  const commands = new StubCommands();
  const metrics = new MetricsRegistry();
  const controller = await createController(
    { ...controllerDefaults, passwords: cheapPasswords, ...overrides.options },
    {
      registry,
      mailer: overrides.mailer ?? outbox,
      logStreams: overrides.logStreams ?? recordingStreams(streams),
      drainGate: stubGate,
      appHead: overrides.appHead ?? stubHead(),
      drainWatch: stubWatch,
      drainCommands: commands,
      clock,
      chance,
      logger,
      metricsRegistry: metrics,
    },
  );
  const server = await listen(controller, overrides.port ?? 0);
  const { port } = server.address() as AddressInfo;
  const call: Scratch['call'] = (method, path, options) => callOn(port, method, path, options);
  const mails = async (to: string): Promise<string[]> => mailsTo(join(directory, 'outbox'), to);
  const code = async (to: string): Promise<string> => codeIn((await mails(to)).at(-1) ?? '');
  return {
    directory,
    port,
    registry,
    metrics,
    logged,
    announced,
    streams,
    commands,
    call,
    mails,
    code,
    account: (email, password = 'correct horse') => signUp(call, code, email, password),
    async [Symbol.asyncDispose]() {
      server.closeAllConnections();
      await new Promise((resolve) => server.close(resolve));
      await controller.close(AbortSignal.timeout(1000));
      await registry.close(AbortSignal.timeout(1000));
      await rm(directory, { recursive: true });
    },
  };
}

export function basic({ user, password }: Credentials): string {
  return `Basic ${Buffer.from(`${user}:${password}`).toString('base64')}`;
}

function recordingStreams(streams: Scratch['streams']): LogStreams {
  return {
    stream(wanted, res, authorised) {
      streams.asked.push(wanted);
      streams.authorised.push(authorised);
      res.writeHead(200, { 'content-type': 'text/plain' });
      res.end('a line\n');
      return Promise.resolve();
    },
    upgrade({ query }, _req, socket) {
      socket.end(`HTTP/1.1 101 Switching Protocols\r\n\r\nquery ${query.toString()}`);
    },
  };
}

const stubGate: DrainGate = {
  check(url, options) {
    if (!/^(https|syslog\+tls):\/\//.test(url)) {
      return { ok: false, problems: ['The scheme must be https or syslog+tls.'] };
    }
    const [canonical = ''] = url.split('#', 1);
    const masked = canonical.replace(/\/\/[^@/]*@/, '//***:***@');
    return {
      ok: true,
      spec: {
        url: canonical,
        masked,
        options: { ...(url.includes('#gzip') ? { gzip: true } : {}), ...options },
      },
    };
  },
  changed({ options }, changes) {
    if (changes['gzip'] === 'maybe') return { ok: false, problems: ['option gzip must be 1 or 0'] };
    return { ok: true, options: { ...options, ...changes } };
  },
  shown: ({ client_key, ...rest }) =>
    client_key === undefined ? rest : { ...rest, client_key: '***' },
};

const stubWatch: DrainWatch = {
  healthOf: () =>
    Promise.resolve({
      state: 'lagging',
      messages: { delivered: 5, filtered: 4, dropped: 3, lost: 2, refused: 1 },
      imbalanceMessages: 0,
      backlog: { messages: 7, bytes: 700, ageMs: 61_400 },
      lastSuccessMs: undefined,
      lastError: { reason: 'http_5xx', status: 502, atMs: Date.UTC(2026, 0, 1) },
      nextAttemptMs: Date.UTC(2026, 0, 1, 0, 1),
      certificate: { issuer: 'R11', expiresAtMs: Date.UTC(2026, 5, 1), problem: undefined },
      replay: {
        state: 'running',
        startedAtMs: Date.UTC(2026, 0, 1),
        messages: { delivered: 9, filtered: 0, dropped: 0, lost: 0, refused: 0 },
        remainingMessages: 3,
        lastError: undefined,
        nextAttemptMs: undefined,
      },
    }),
};

/** Does what its answers say, and remembers what it was asked. */
class StubCommands implements DrainCommands {
  readonly asked: unknown[][] = [];
  verdict: DrainVerdict | 'busy' | undefined = {
    verdict: 'failed',
    mark: 'a-mark',
    steps: [
      { step: 'resolve', ok: true, ms: 3 },
      { step: 'connect', ok: false, reason: 'timeout' },
    ],
    certificate: undefined,
  };
  replay: ReplayAnswer | 'busy' | undefined = 'started';
  isReplaying = true;

  settled(drain: DrainId): Promise<void> {
    this.asked.push(['settled', drain]);
    return Promise.resolve();
  }

  test(drain: DrainId): Promise<DrainVerdict | 'busy' | undefined> {
    this.asked.push(['test', drain]);
    return Promise.resolve(this.verdict);
  }

  startReplay(drain: DrainId, from: ReplayFrom): Promise<ReplayAnswer | 'busy' | undefined> {
    this.asked.push(['replay', drain, from]);
    return Promise.resolve(this.replay);
  }

  stopReplay(drain: DrainId): Promise<boolean> {
    this.asked.push(['stop', drain]);
    return Promise.resolve(this.isReplaying);
  }
}

/** An app has no lines when it is made, and some whenever its head is asked for later. */
function stubHead(): AppHead {
  const made = new Set<AppId>();
  return {
    headOf: (app) => {
      const appSeq = made.has(app) ? 42 : 0;
      made.add(app);
      return Promise.resolve({ position: `0123456789abcdef-0-7-${app}`, appSeq });
    },
  };
}

async function listen(controller: Controller, port: number): Promise<Server> {
  const server = createServer((req, res) => controller.handle(req, res));
  server.on('upgrade', (req, socket, head) => controller.upgrade(req, socket, head));
  await new Promise<void>((resolve) => server.listen(port, '127.0.0.1', resolve));
  return server;
}

function callOn(
  port: number,
  method: string,
  path: string,
  { auth, body, headers = {}, raw }: CallOptions = {},
): Promise<Answer> {
  const text = raw ?? (body === undefined ? '' : JSON.stringify(body));
  const authorization = typeof auth === 'string' ? auth : auth && basic(auth);
  return new Promise((resolve, reject) => {
    const outgoing = request({
      host: '127.0.0.1',
      port,
      method,
      path,
      headers: {
        'content-type': 'application/json',
        ...(text === '' ? {} : { 'content-length': String(Buffer.byteLength(text)) }),
        ...(authorization === undefined ? {} : { authorization }),
        ...headers,
      },
    });
    outgoing.on('error', reject);
    outgoing.on('response', (incoming) => {
      const chunks: Buffer[] = [];
      incoming.on('data', (chunk: Buffer) => chunks.push(chunk));
      incoming.on('end', () => {
        const answered = Buffer.concat(chunks).toString();
        resolve({
          status: incoming.statusCode ?? 0,
          headers: incoming.headers,
          text: answered,
          json: answered.startsWith('{') ? (JSON.parse(answered) as Answer['json']) : {},
        });
      });
    });
    outgoing.end(text);
  });
}

async function signUp(
  call: Scratch['call'],
  code: Scratch['code'],
  email: string,
  password: string,
): Promise<Credentials> {
  const { uuid } = dataOf<{ uuid: string }>(await call('POST', '/api/signup', { body: { email } }));
  const confirmation = { uuid, confirmation_code: await code(email) };
  await call('POST', '/api/signup', { body: confirmation });
  await call('POST', '/api/signup', { body: { uuid, password } });
  const done = await call('POST', '/api/signup', { body: { uuid, tier: 'FREE' } });
  return { user: email, password: dataOf<{ key: string }>(done).key };
}

export function dataOf<T>(answer: Answer): T {
  if (answer.json.data === undefined) throw new Error(`${answer.status}: ${answer.text}`);
  return answer.json.data as T;
}

async function mailsTo(directory: string, to: string): Promise<string[]> {
  const names = await readdir(directory).catch(() => []);
  const mails = await Promise.all(
    names
      .filter((name) => name.endsWith('.eml'))
      .toSorted()
      .map((name) => readFile(join(directory, name), 'utf8')),
  );
  return mails.filter((mail) => mail.includes(`\nTo: ${to}\n`));
}

function codeIn(mail: string): string {
  const match = /^([0-9a-f]{6,})$/m.exec(mail);
  if (!match?.[1]) throw new Error(`no code in: ${mail}`);
  return match[1];
}

import { createHash } from 'node:crypto';
import { connect, type Socket } from 'node:net';
import { connect as connectTls, type ConnectionOptions } from 'node:tls';
import { Registry } from 'prom-client';
import { DependencyError } from '../../../src/core/errors.ts';
import { appId, type AppId } from '../../../src/core/ids.ts';
import type { LogRecord } from '../../../src/core/record.ts';
import type { IngestOptions } from '../../../src/ingest/ingest.ts';
import type { SyslogConnectionParts } from '../../../src/ingest/syslog/syslog-connection.ts';
import { SyslogMetrics } from '../../../src/ingest/syslog/syslog-metrics.ts';
import {
  SyslogServer,
  type SyslogServerOptions,
} from '../../../src/ingest/syslog/syslog-server.ts';
import { FakeClock } from '../../support/fake-clock.ts';
import { silentLogger } from '../../support/silent-logger.ts';
import { Directory, startIngest, until, type Harness } from '../ingest-harness.ts';

export const tokens = {
  demo: 't.feff49f1-4d55-4c9e-aee1-2d2b10e69b42',
  other: 't.0a1b2c3d-0000-4c9e-aee1-2d2b10e69b43',
  unknown: 't.11111111-2222-4c9e-aee1-2d2b10e69b44',
};
export const apps = { demo: appId(1), other: appId(2) };

/** Two apps, one token each, as far as the registry answers. */
class TwoApps extends Directory {
  override async findToken(hash?: Buffer): Promise<{ app: AppId; appName: string } | undefined> {
    this.asked++;
    if (this.isDown) throw new DependencyError('REGISTRY_UNAVAILABLE', 'no');
    const names = ['demo', 'other'] as const;
    const appName = names.find(
      (name) => hash?.equals(createHash('sha256').update(tokens[name]).digest()) && !this.isEmpty,
    );
    await Promise.resolve();
    return appName && { app: apps[appName], appName };
  }

  /** All tokens have been revoked. */
  isEmpty = false;
}

const defaults: Omit<SyslogServerOptions, 'listen' | 'tls'> = {
  messageBytesMax: 10_240,
  connectionsMax: 100,
  handshakeMsMax: 10_000,
  unauthorisedMsMax: 10_000,
  unauthorisedMessagesMax: 100,
  unauthorisedBytesMax: 64 << 10,
  pendingBytesMax: 10_000_000,
  idleMsMax: 3_600_000,
  keepAliveMs: 60_000,
  endMsMax: 2000,
};

export interface Door extends AsyncDisposable {
  readonly harness: Harness;
  readonly directory: TwoApps;
  readonly server: SyslogServer;
  readonly url: string;
  send(...parts: (string | Buffer)[]): Sender;
  /** Over TLS, from a client with these options. */
  sendTls(options: ConnectionOptions, ...parts: (string | Buffer)[]): Sender;
  /** Sum of a metric of the door. */
  metric(name: string, labels?: Record<string, string>): Promise<number>;
  records(app?: AppId): Promise<LogRecord[]>;
  /** Everything stored of an app, one frame after the other, once there is so much. */
  stored(lines: number, app?: AppId): Promise<string>;
}

export function makeServer(
  options: Partial<SyslogServerOptions>,
  parts: Partial<SyslogConnectionParts> = {},
): SyslogServer {
  const nothing = {
    judge: () => Promise.reject(new Error()),
    store: () => Promise.reject(new Error()),
  };
  return new SyslogServer(
    { ...defaults, listen: { host: '127.0.0.1', port: 0 }, tls: undefined, ...options },
    {
      intake: nothing,
      metrics: new SyslogMetrics(new Registry()),
      clock: new FakeClock(),
      logger: silentLogger,
      ...parts,
    },
  );
}

export async function openDoor(
  options: Partial<SyslogServerOptions> = {},
  ingestOptions: Partial<IngestOptions> = {},
): Promise<Door> {
  const directory = new TwoApps();
  const harness = await startIngest(ingestOptions, { directory });
  const registry = new Registry();
  const parts = { intake: harness.ingest.syslog, clock: harness.clock };
  const server = makeServer(options, { ...parts, metrics: new SyslogMetrics(registry) });
  const url = await server.listen();
  const port = Number(new URL(url).port);
  const senders: Sender[] = [];
  const opened = (socket: Socket, parts: (string | Buffer)[]): Sender => {
    const sender = new Sender(socket).send(...parts);
    senders.push(sender);
    return sender;
  };
  const records = async (app: AppId = apps.demo): Promise<LogRecord[]> =>
    (await harness.records()).filter((record) => record.app === app);
  return {
    harness,
    directory,
    server,
    url,
    send: (...parts) => opened(connect({ port, host: '127.0.0.1', allowHalfOpen: true }), parts),
    sendTls: (client, ...parts) =>
      opened(connectTls({ port, host: '127.0.0.1', ...client }), parts),
    metric: async (name, labels = {}) => {
      const { values } = (await registry.getSingleMetric(name)?.get()) ?? { values: [] };
      const chosen = values.filter((value) =>
        Object.entries(labels).every(([key, text]) => value.labels[key] === text),
      );
      return chosen.reduce((sum, { value }) => sum + value, 0);
    },
    records,
    stored: async (lines, app = apps.demo) => {
      for (;;) {
        const found = await records(app);
        if (found.reduce((sum, record) => sum + record.lines, 0) >= lines) {
          return Buffer.concat(found.map(({ frames }) => frames)).toString();
        }
        await new Promise((resolve) => setImmediate(resolve));
      }
    },
    [Symbol.asyncDispose]: async () => {
      harness.log.letGo();
      for (const sender of senders) sender.socket.destroy();
      await server.close(AbortSignal.abort());
      await harness[Symbol.asyncDispose]();
    },
  };
}

/** The other end of a connection. */
export class Sender {
  readonly socket: Socket;
  /** The door has ended its side. */
  hasEnded = false;
  isClosed = false;
  error: NodeJS.ErrnoException | undefined;

  constructor(socket: Socket) {
    this.socket = socket;
    socket.on('end', () => (this.hasEnded = true));
    socket.on('close', () => (this.isClosed = true));
    socket.on('error', (error) => (this.error = error));
    socket.resume();
  }

  send(...parts: (string | Buffer)[]): this {
    for (const part of parts) this.socket.write(part);
    return this;
  }

  end(): this {
    this.socket.end();
    return this;
  }

  /** Resolves when the door has ended its side, or the connection has broken. */
  async ended(): Promise<void> {
    await until(() => this.hasEnded || this.isClosed);
  }
}

/** RFC 5424, the token in APP-NAME. */
export function message(text: string, token = tokens.demo): string {
  return `<190>1 2026-01-01T00:00:00.123456+00:00 pod ${token} web.1 - - ${text}`;
}

/** As `message` is stored. */
export function storedAs(text: string, name = 'demo'): string {
  return octets(`<190>1 2026-01-01T00:00:00.123456+00:00 pod ${name} web.1 - - ${text}`);
}

export function octets(text: string): string {
  return `${Buffer.byteLength(text)} ${text}`;
}

import { once } from 'node:events';
import { createServer, type AddressInfo, type Server, type Socket } from 'node:net';
import { createServer as createTlsServer, type TLSSocket } from 'node:tls';
import {
  SyslogConnection,
  type SyslogConnectionOptions,
  type SyslogConnectionParts,
} from './syslog-connection.ts';
import type { SyslogDoor } from './syslog-metrics.ts';

export interface SyslogServerOptions extends SyslogConnectionOptions {
  readonly listen: { readonly host: string; readonly port: number };
  /** PEM; without it the door is plain TCP. */
  readonly tls: { readonly cert: string; readonly key: string } | undefined;
  readonly connectionsMax: number;
  readonly handshakeMsMax: number;
  /** Silence after which TCP asks whether the peer is still there. */
  readonly keepAliveMs: number;
}

const tendMs = 250;

/** A syslog door: listens, and has one {@link SyslogConnection} for each sender. */
export class SyslogServer {
  readonly #options: SyslogServerOptions;
  readonly #parts: SyslogConnectionParts;
  readonly #door: SyslogDoor;
  readonly #server: Server;
  readonly #connections = new Map<SyslogConnection, Promise<void>>();
  #stopTending: (() => void) | undefined;
  #isClosing = false;

  /** @throws when certificate and key are not a pair. */
  constructor(options: SyslogServerOptions, parts: SyslogConnectionParts) {
    this.#options = options;
    this.#parts = parts;
    this.#door = options.tls ? 'tls' : 'tcp';
    this.#server = this.#create();
    this.#server.maxConnections = options.connectionsMax;
    this.#server.on('drop', () => parts.metrics.endings.inc({ reason: 'full' }));
    parts.metrics.watch(this.#door, {
      open: () => this.#connections.size,
      waiting: () => [...this.#connections.keys()].filter(({ isWaiting }) => isWaiting).length,
    });
  }

  /** Resolves with `syslog://host:port`, or `syslog+tls:`, the port being the one that was really taken. */
  async listen(): Promise<string> {
    const { host, port } = this.#options.listen;
    this.#server.listen(port, host);
    await once(this.#server, 'listening');
    this.#stopTending = this.#parts.clock.every(tendMs, () => this.#tend());
    const { port: taken } = this.#server.address() as AddressInfo;
    const scheme = this.#options.tls ? 'syslog+tls' : 'syslog';
    return `${scheme}://${host.includes(':') ? `[${host}]` : host}:${taken}`;
  }

  /**
   * Takes no more connections and ends our side of those that there are. What senders had on its way is read until
   * they end theirs, within `endMsMax`; every whole message that was read is stored.
   */
  async close(signal: AbortSignal): Promise<void> {
    this.#isClosing = true;
    this.#server.close();
    for (const connection of this.#connections.keys()) connection.end('stopped');
    if (!signal.aborted) {
      const timeUp = new AbortController();
      const late = this.#parts.clock.sleep(
        this.#options.endMsMax,
        AbortSignal.any([signal, timeUp.signal]),
      );
      await Promise.race([this.#served(), late.catch(() => undefined)]);
      timeUp.abort();
    }
    for (const connection of this.#connections.keys()) connection.stop();
    if (!signal.aborted) await Promise.race([this.#served(), once(signal, 'abort')]);
    this.#stopTending?.();
  }

  #create(): Server {
    const { tls, handshakeMsMax, keepAliveMs } = this.#options;
    const options = {
      // Our FIN says that everything is durable, so it cannot come by itself.
      allowHalfOpen: true,
      keepAlive: true,
      keepAliveInitialDelay: keepAliveMs,
      noDelay: true,
    };
    const accept = (socket: Socket): void => this.#accept(socket);
    if (!tls) return createServer(options, accept);
    // An empty text Node takes for none, and then no handshake ever succeeds.
    if (tls.cert === '' || tls.key === '') throw new Error('one of them is empty');
    const server = createTlsServer(
      { ...options, ...tls, minVersion: 'TLSv1.2', handshakeTimeout: handshakeMsMax },
      accept,
    );
    return server.on('tlsClientError', (_error: Error, socket: TLSSocket) => {
      this.#parts.metrics.endings.inc({ reason: 'handshake' });
      socket.destroy();
    });
  }

  #accept(socket: Socket): void {
    if (this.#isClosing) {
      socket.destroy();
      return;
    }
    const connection = new SyslogConnection(this.#options, this.#parts, socket);
    const served = connection.serve().then((reason) => {
      this.#connections.delete(connection);
      this.#parts.metrics.endings.inc({ reason });
    });
    this.#connections.set(connection, served);
  }

  async #served(): Promise<void> {
    await Promise.all(this.#connections.values());
  }

  #tend(): void {
    const nowMs = this.#parts.clock.monotonicMs();
    for (const connection of this.#connections.keys()) connection.tend(nowMs);
  }
}

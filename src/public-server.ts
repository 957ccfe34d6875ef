import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import type { Clock } from './core/clock.ts';
import { isLogsTarget } from './ingest/logs-target.ts';
import { isShuttle } from './ingest/request-head.ts';

export interface PublicServerOptions {
  readonly listen: { readonly host: string; readonly port: number };
  readonly connectionsMax: number;
  readonly headersMsMax: number;
  /** From the first byte of a request to its last, for doors that have no shorter limit. */
  readonly requestMsMax: number;
  readonly keepAliveMsMax: number;
  /** How long a request waits for the door to open. */
  readonly startHoldMsMax: number;
  /** What those who waited in vain are told to wait. */
  readonly startRetryAfterMs: number;
}

export interface PublicServerParts {
  /** `POST /logs`: split off before the framework, because it is the hot path. */
  readonly logs: { handle(req: IncomingMessage, res: ServerResponse): void };
  /** Everything else. */
  readonly api: {
    handle(req: IncomingMessage, res: ServerResponse): void;
    upgrade(req: IncomingMessage, socket: Duplex, head: Buffer): void;
  };
}

/**
 * The one public door. It listens before what is behind it is ready: until `open`, requests wait, and after a while
 * are turned away as ingest does it, log-shuttle without an answer, others with 503.
 */
export class PublicServer {
  readonly #options: PublicServerOptions;
  readonly #clock: Clock;
  readonly #server: Server;
  /** Those who wait for the door to open. */
  readonly #waiting = new Set<(parts: PublicServerParts) => void>();
  #parts: PublicServerParts | undefined;

  constructor(options: PublicServerOptions, parts: { readonly clock: Clock }) {
    this.#options = options;
    this.#clock = parts.clock;
    this.#server = createServer(
      {
        headersTimeout: options.headersMsMax,
        requestTimeout: options.requestMsMax,
        keepAliveTimeout: options.keepAliveMsMax,
        connectionsCheckingInterval: checkMs,
        noDelay: true,
        // Other upgrades are offers that may be ignored (RFC 9110 §7.8): clients that can HTTP/2 make one with
        // every request, also with `POST /logs`.
        shouldUpgradeCallback: ({ method, headers }) =>
          method === 'GET' && headers.upgrade?.toLowerCase() === 'websocket',
      },
      (req, res) =>
        this.#whenOpen(
          req.socket,
          (parts) => this.#handle(parts, req, res),
          () => this.#turnAway(req, res),
        ),
    );
    this.#server.maxConnections = options.connectionsMax;
    this.#server.maxHeadersCount = headersMax;
    this.#server.on('upgrade', (req, socket, head) => {
      this.#whenOpen(
        socket,
        (parts) => parts.api.upgrade(req, socket, head),
        () => socket.destroy(),
      );
    });
  }

  open(parts: PublicServerParts): void {
    this.#parts = parts;
    for (const pass of this.#waiting) pass(parts);
    this.#waiting.clear();
  }

  /** Resolves with `http://host:port`, the port being the one that was really taken. */
  async listen(): Promise<string> {
    const { host, port } = this.#options.listen;
    this.#server.listen(port, host);
    await once(this.#server, 'listening');
    const { port: taken } = this.#server.address() as AddressInfo;
    return `http://${host.includes(':') ? `[${host}]` : host}:${taken}`;
  }

  /** Takes no more connections; those without a request end, the others after their answer. */
  stopAccepting(): void {
    this.#server.close();
    this.#server.closeIdleConnections();
  }

  close(): Promise<void> {
    this.#server.close();
    this.#server.closeAllConnections();
    return Promise.resolve();
  }

  #whenOpen(socket: Duplex, pass: (parts: PublicServerParts) => void, turnAway: () => void): void {
    if (this.#parts) {
      pass(this.#parts);
      return;
    }
    const forget = (): void => {
      cancel();
      this.#waiting.delete(enter);
      socket.off('close', forget);
    };
    const enter = (parts: PublicServerParts): void => {
      forget();
      pass(parts);
    };
    const cancel = this.#clock.after(this.#options.startHoldMsMax, () => {
      forget();
      turnAway();
    });
    this.#waiting.add(enter);
    socket.once('close', forget);
  }

  #turnAway(req: IncomingMessage, res: ServerResponse): void {
    if (isLogsTarget(req.url ?? '') && isShuttle(req)) {
      // It takes any status for a delivery.
      req.socket.destroy();
      return;
    }
    const text = 'Starting, try again\n';
    res.writeHead(503, {
      'Retry-After': Math.ceil(this.#options.startRetryAfterMs / 1000),
      'Content-Type': 'text/plain',
      'Content-Length': Buffer.byteLength(text),
      Connection: 'close',
    });
    res.write(text);
    // Ending before the body has come would reset the connection under a client that is still sending.
    const cancel = this.#clock.after(discardMsMax, () => req.socket.destroy());
    req.once('close', cancel);
    req.once('end', () => res.end());
    req.resume();
  }

  #handle(parts: PublicServerParts, req: IncomingMessage, res: ServerResponse): void {
    if (isLogsTarget(req.url ?? '')) parts.logs.handle(req, res);
    else parts.api.handle(req, res);
  }
}

const checkMs = 1000;
const discardMsMax = 2000;
const headersMax = 64;

import { once } from 'node:events';
import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Duplex } from 'node:stream';
import { isLogsTarget } from './ingest/logs-target.ts';

export interface PublicServerOptions {
  readonly listen: { readonly host: string; readonly port: number };
  readonly connectionsMax: number;
  readonly headersMsMax: number;
  /** From the first byte of a request to its last, for doors that have no shorter limit. */
  readonly requestMsMax: number;
  readonly keepAliveMsMax: number;
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

/** The one public door. It listens before what is behind it is ready: until `open`, requests wait. */
export class PublicServer {
  readonly #options: PublicServerOptions;
  readonly #server: Server;
  readonly #opened = Promise.withResolvers<PublicServerParts>();
  #parts: PublicServerParts | undefined;

  constructor(options: PublicServerOptions) {
    this.#options = options;
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
      (req, res) => this.#whenOpen((parts) => this.#handle(parts, req, res)),
    );
    this.#server.maxConnections = options.connectionsMax;
    this.#server.maxHeadersCount = headersMax;
    this.#server.on('upgrade', (req, socket, head) => {
      this.#whenOpen((parts) => parts.api.upgrade(req, socket, head));
    });
  }

  open(parts: PublicServerParts): void {
    this.#parts = parts;
    this.#opened.resolve(parts);
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

  #whenOpen(pass: (parts: PublicServerParts) => void): void {
    if (this.#parts) pass(this.#parts);
    else void this.#opened.promise.then(pass);
  }

  #handle(parts: PublicServerParts, req: IncomingMessage, res: ServerResponse): void {
    if (isLogsTarget(req.url ?? '')) parts.logs.handle(req, res);
    else parts.api.handle(req, res);
  }
}

const checkMs = 1000;
const headersMax = 64;

import { createServer, type IncomingMessage, type Server, type ServerResponse } from 'node:http';
import type { AddressInfo } from 'node:net';
import type { Registry } from 'prom-client';
import type { Logger } from '../core/logger.ts';

export interface AdminOptions {
  readonly listen: { readonly host: string; readonly port: number };
  readonly connectionsMax: number;
  /** From the first byte of a request to its last. */
  readonly requestMsMax: number;
}

export interface AdminParts {
  readonly registry: Registry;
  /** Name of each part that readiness depends on → why it cannot serve now, or undefined. Must not wait. */
  readonly parts: () => ReadonlyMap<string, string | undefined>;
  /** The drains with the most lines in front of them, as JSON has them; undefined during the start. */
  readonly topDrains: (count: number) => Promise<readonly object[]> | undefined;
  readonly logger: Logger;
}

export interface AdminServer {
  /** `http://host:port`, with the port that was really taken. */
  readonly url: string;
  close(signal: AbortSignal): Promise<void>;
}

/**
 * The operator's door. `GET /healthz`: this process turns its event loop, whatever else is down.
 * `GET /readyz`: 200 when it can do its work, else 503; names its parts as `{status, parts: {name: 'ok' | reason}}`.
 * `GET /metrics`: Prometheus' text format. `GET /drains?top=n`: the n drains with the largest backlogs, without their
 * URLs. Resolves when it listens.
 */
export async function createAdminServer(
  options: AdminOptions,
  parts: AdminParts,
): Promise<AdminServer> {
  const server = createServer((request, response) => {
    answer(request, parts).then(
      (reply) => send(request, response, reply),
      (error: unknown) => {
        parts.logger.error({ err: error, path: request.url }, 'admin.request_failed');
        send(request, response, text(500, 'internal error\n'));
      },
    );
  });
  server.maxConnections = options.connectionsMax;
  server.requestTimeout = options.requestMsMax;
  server.headersTimeout = options.requestMsMax;
  await listen(server, options.listen);
  return { url: urlOf(server), close: (signal) => close(server, signal) };
}

interface Reply {
  readonly status: number;
  readonly type: string;
  readonly body: string;
}

async function answer(request: IncomingMessage, parts: AdminParts): Promise<Reply> {
  if (request.method !== 'GET' && request.method !== 'HEAD') return text(405, 'use GET\n');
  const [path, query] = (request.url ?? '').split('?', 2);
  switch (path) {
    case '/healthz':
      return text(200, 'ok\n');
    case '/readyz':
      return readiness(parts.parts());
    case '/metrics': {
      const body = await parts.registry.metrics();
      return { status: 200, type: parts.registry.contentType, body };
    }
    case '/drains':
      return drains(parts, new URLSearchParams(query));
    default:
      return text(404, 'not found: /metrics, /healthz, /readyz and /drains are here\n');
  }
}

function readiness(parts: ReadonlyMap<string, string | undefined>): Reply {
  const ready = [...parts.values()].every((problem) => problem === undefined);
  const named = Object.fromEntries([...parts].map(([name, problem]) => [name, problem ?? 'ok']));
  const body = `${JSON.stringify({ status: ready ? 'ready' : 'not ready', parts: named })}\n`;
  return { status: ready ? 200 : 503, type: 'application/json', body };
}

async function drains(parts: AdminParts, query: URLSearchParams): Promise<Reply> {
  const top = query.get('top') ?? '20';
  if (!/^\d{1,4}$/.test(top)) return text(400, 'top must be a number below 10000\n');
  const list = await parts.topDrains(Number(top));
  if (!list) return text(503, 'starting\n');
  const body = `${JSON.stringify({ drains: list })}\n`;
  return { status: 200, type: 'application/json', body };
}

function text(status: number, body: string): Reply {
  return { status, type: 'text/plain; charset=utf-8', body };
}

function send(request: IncomingMessage, response: ServerResponse, reply: Reply): void {
  response.writeHead(reply.status, {
    'Content-Type': reply.type,
    'Content-Length': Buffer.byteLength(reply.body),
    'Cache-Control': 'no-store',
  });
  response.end(request.method === 'HEAD' ? undefined : reply.body);
}

async function listen(server: Server, address: AdminOptions['listen']): Promise<void> {
  const { promise, resolve, reject } = Promise.withResolvers<void>();
  server.once('error', reject);
  server.listen(address.port, address.host, resolve);
  await promise;
  server.off('error', reject);
}

function urlOf(server: Server): string {
  const { address, family, port } = server.address() as AddressInfo;
  return `http://${family === 'IPv6' ? `[${address}]` : address}:${port}`;
}

/** Lets running requests finish until the signal says that waiting is over. */
async function close(server: Server, signal: AbortSignal): Promise<void> {
  const { promise, resolve } = Promise.withResolvers<void>();
  const cut = (): void => server.closeAllConnections();
  signal.addEventListener('abort', cut, { once: true });
  server.close(() => resolve());
  if (signal.aborted) cut();
  await promise;
  signal.removeEventListener('abort', cut);
}

import { type IncomingMessage, STATUS_CODES } from 'node:http';
import type { Duplex } from 'node:stream';
import type { Logger } from '../core/logger.ts';
import type { Access } from './access.ts';
import { ApiError, errorBody, notFound } from './api-error.ts';
import type { LogStreams } from './controller-parts.ts';
import { asApiError, repeatedHeader, withoutOrigin } from './http-rules.ts';

/** Lets websockets in on `/api/apps/:app/logs`, by the same rules as the chunked stream there. */
export class LogUpgrade {
  readonly #access: Access;
  readonly #logStreams: LogStreams;
  readonly #logger: Logger;

  constructor(parts: {
    readonly access: Access;
    readonly logStreams: LogStreams;
    readonly logger: Logger;
  }) {
    this.#access = parts.access;
    this.#logStreams = parts.logStreams;
    this.#logger = parts.logger;
  }

  /** Never rejects. */
  async accept(req: IncomingMessage, socket: Duplex, head: Buffer): Promise<void> {
    // Until the stream has it, a socket that breaks must not become an unhandled error event.
    const ignore = (): void => undefined;
    socket.on('error', ignore);
    try {
      const { name, query } = target(req);
      const { authorization } = req.headers;
      const { app } = await this.#access.app(authorization, name, 'view');
      if (socket.destroyed) return;
      const authorised = this.#access.stillViews(authorization, app);
      this.#logStreams.upgrade({ app: app.id, query }, req, socket, head, authorised);
    } catch (error) {
      const answer = asApiError(error);
      if (answer.status >= 500) this.#logger.error({ err: error }, 'controller.upgrade_failed');
      refuse(socket, answer);
    } finally {
      socket.off('error', ignore);
    }
  }
}

function target(req: IncomingMessage): { name: string; query: URLSearchParams } {
  const repeated = repeatedHeader(req.rawHeaders);
  if (repeated) throw repeated;
  const [path = '', query = ''] = withoutOrigin(req.url ?? '/').split('?', 2);
  const match = /^\/api\/apps\/([^/]+)\/logs\/?$/.exec(path);
  if (!match) throw notFound('There is no websocket here.');
  if (req.headers.upgrade?.toLowerCase() !== 'websocket') {
    throw new ApiError(426, 'This can be upgraded to a websocket only.', { upgrade: 'websocket' });
  }
  return { name: decoded(match[1] ?? ''), query: new URLSearchParams(query) };
}

function decoded(segment: string): string {
  try {
    return decodeURIComponent(segment);
  } catch {
    throw new ApiError(400, 'The path is malformed.');
  }
}

/** There is no response object on an upgrade: the answer is written by hand. */
function refuse(socket: Duplex, answer: ApiError): void {
  if (socket.destroyed) return;
  const body = errorBody(answer.messages);
  const headers = {
    ...answer.headers,
    connection: 'close',
    'content-type': 'application/json; charset=utf-8',
    'content-length': String(Buffer.byteLength(body)),
  };
  const lines = Object.entries(headers).map(([name, value]) => `${name}: ${value}\r\n`);
  const status = `HTTP/1.1 ${answer.status} ${STATUS_CODES[answer.status] ?? ''}\r\n`;
  socket.on('error', () => undefined);
  socket.end(`${status}${lines.join('')}\r\n${body}`, () => socket.destroy());
}

import { once } from 'node:events';
import http from 'node:http';
import https from 'node:https';
import type { AddressInfo, Socket } from 'node:net';
import type { Credentials } from './certificates.ts';

export interface ReceivedRequest {
  readonly method: string;
  readonly url: string;
  /** As they came: name, value, name, value. */
  readonly rawHeaders: readonly string[];
  readonly headers: http.IncomingHttpHeaders;
  readonly body: Buffer;
}

export interface Answer {
  readonly status: number;
  readonly headers?: http.OutgoingHttpHeaders;
  readonly body?: string | Buffer;
}

/** A real HTTP server that keeps what it gets; over TLS when it has credentials. */
export class HttpsReceiver implements AsyncDisposable {
  readonly requests: ReceivedRequest[] = [];
  /** Connections accepted so far, and those open now. */
  connections = 0;
  readonly open = new Set<Socket>();
  /** What the next requests are answered with; asked once per request. */
  answer: (request: ReceivedRequest) => Answer | Promise<Answer> = () => ({ status: 204 });
  readonly #server: http.Server;
  readonly #scheme: string;

  private constructor(credentials: Credentials | undefined) {
    const listener = (req: http.IncomingMessage, res: http.ServerResponse): void =>
      void this.#serve(req, res);
    this.#server = credentials
      ? https.createServer(credentials, listener)
      : http.createServer(listener);
    this.#scheme = credentials ? 'https' : 'http';
    this.#server.on('connection', (socket) => {
      this.connections++;
      this.open.add(socket);
      socket.on('close', () => this.open.delete(socket)).on('error', () => {});
    });
    this.#server.on('tlsClientError', () => {});
  }

  static async listen(credentials?: Credentials, port = 0): Promise<HttpsReceiver> {
    const receiver = new HttpsReceiver(credentials);
    receiver.#server.listen(port, '127.0.0.1');
    await once(receiver.#server, 'listening');
    return receiver;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  /** Shows another certificate from now on; connections that are open end. */
  renew(credentials: Credentials): void {
    if (!(this.#server instanceof https.Server)) throw new Error('has no certificate');
    this.#server.setSecureContext(credentials);
    for (const socket of this.open) socket.destroy();
  }

  url(path = '/', user = ''): string {
    return `${this.#scheme}://${user === '' ? '' : `${user}@`}127.0.0.1:${this.port}${path}`;
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.open) socket.destroy();
    await once(this.#server, 'close');
  }

  async #serve(req: http.IncomingMessage, res: http.ServerResponse): Promise<void> {
    const chunks: Buffer[] = [];
    for await (const chunk of req) chunks.push(chunk as Buffer);
    const request = {
      method: req.method ?? '',
      url: req.url ?? '',
      rawHeaders: req.rawHeaders,
      headers: req.headers,
      body: Buffer.concat(chunks),
    };
    this.requests.push(request);
    const answer = await this.answer(request);
    res.writeHead(answer.status, answer.headers).end(answer.body);
  }
}

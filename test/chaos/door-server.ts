import { once } from 'node:events';
import type { AddressInfo, Server, Socket } from 'node:net';

/** The listening half of a receiver: it can be closed, and opened again on the same port. */
export class DoorServer {
  /** The TCP connections below TLS. */
  readonly carriers = new Set<Socket>();
  readonly #create: () => Server;
  #server: Server | undefined;
  #port = 0;

  constructor(create: () => Server) {
    this.#create = create;
  }

  /** Resolves with the port. */
  async listen(): Promise<number> {
    const server = this.#create();
    this.#server = server;
    server.on('connection', (socket: Socket) => {
      this.carriers.add(socket);
      socket.on('close', () => this.carriers.delete(socket)).on('error', () => undefined);
    });
    server.on('tlsClientError', () => undefined);
    server.listen(this.#port, '127.0.0.1');
    await once(server, 'listening');
    this.#port = (server.address() as AddressInfo).port;
    return this.#port;
  }

  /** Takes no more connections; those that there are stay. */
  close(): void {
    this.#server?.close();
  }

  resetAll(): void {
    for (const socket of this.carriers) socket.resetAndDestroy();
  }
}

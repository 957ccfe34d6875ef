import { once } from 'node:events';
import net, { type AddressInfo, type Socket } from 'node:net';
import tls from 'node:tls';
import type { Credentials } from './certificates.ts';

/** A real syslog server that splits octet-counted frames; over TLS when it has credentials. */
export class SyslogReceiver implements AsyncDisposable {
  /** Messages without their count, over all connections, in the order in which they were read. */
  readonly messages: Buffer[] = [];
  connections = 0;
  readonly open = new Set<Socket>();
  /** Connections accepted while true are not read from. */
  isPaused = false;
  readonly #server: net.Server;
  /** The TCP connections, below TLS where there is one. */
  readonly #carriers = new Set<Socket>();
  readonly #scheme: string;
  #wake = (): void => {};

  private constructor(credentials: Credentials | undefined) {
    const listener = (socket: Socket): void => this.#serve(socket);
    this.#server = credentials
      ? tls.createServer(credentials, listener)
      : net.createServer(listener);
    this.#server.on('tlsClientError', () => {});
    this.#server.on('connection', (socket) => {
      this.#carriers.add(socket);
      socket.on('close', () => this.#carriers.delete(socket));
    });
    this.#scheme = credentials ? 'syslog+tls' : 'syslog';
  }

  static async listen(credentials?: Credentials, port = 0): Promise<SyslogReceiver> {
    const receiver = new SyslogReceiver(credentials);
    receiver.#server.listen(port, '127.0.0.1');
    await once(receiver.#server, 'listening');
    return receiver;
  }

  get port(): number {
    return (this.#server.address() as AddressInfo).port;
  }

  get url(): string {
    return `${this.#scheme}://127.0.0.1:${this.port}`;
  }

  /** Resolves when `isDone` holds; it is asked after whatever happens. */
  async until(isDone: () => boolean): Promise<void> {
    while (!isDone()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  /** Ends every connection as the kernel does for a process that is killed with data unread. */
  reset(): void {
    for (const socket of this.#carriers) socket.resetAndDestroy();
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.open) socket.destroy();
    await once(this.#server, 'close');
  }

  #serve(socket: Socket): void {
    this.connections++;
    this.open.add(socket);
    let rest: Buffer = Buffer.alloc(0);
    socket.on('data', (chunk) => {
      rest = this.#split(Buffer.concat([rest, chunk as Buffer]));
      this.#wake();
    });
    socket.on('close', () => {
      this.open.delete(socket);
      this.#wake();
    });
    socket.on('error', () => {});
    if (this.isPaused) socket.pause();
    this.#wake();
  }

  #split(bytes: Buffer): Buffer {
    let at = 0;
    for (;;) {
      const space = bytes.indexOf(0x20, at);
      const end = space + 1 + Number(bytes.toString('latin1', at, Math.max(at, space)));
      if (space < 0 || end > bytes.length) return bytes.subarray(at);
      this.messages.push(Buffer.from(bytes.subarray(space + 1, end)));
      at = end;
    }
  }
}

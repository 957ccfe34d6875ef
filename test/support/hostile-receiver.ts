import { once } from 'node:events';
import net, { type AddressInfo, type Socket } from 'node:net';
import tls from 'node:tls';
import type { Credentials } from './certificates.ts';

/** What a receiver does with a connection once it has it: after the TLS handshake, when it has credentials. */
export type Behaviour = (socket: Socket) => void;

/** A receiver that does one wrong thing, again and again. */
export class HostileReceiver implements AsyncDisposable {
  connections = 0;
  /** Pieces of data that have come in. */
  heard = 0;
  readonly open = new Set<Socket>();
  readonly #server: net.Server;
  #wake = (): void => {};
  #port = 0;

  private constructor(behaviour: Behaviour, credentials: Credentials | undefined) {
    const listener: Behaviour = (socket) => {
      behaviour(socket);
      socket.on('data', () => {
        this.heard++;
        this.#wake();
      });
    };
    this.#server = credentials
      ? tls.createServer(credentials, listener)
      : net.createServer(listener);
    this.#server.on('tlsClientError', () => {});
    this.#server.on('connection', (socket) => {
      this.connections++;
      this.open.add(socket);
      socket.on('error', () => {});
      socket.on('close', () => {
        this.open.delete(socket);
        this.#wake();
      });
      this.#wake();
    });
    this.#server.on('secureConnection', (socket: Socket) => socket.on('error', () => {}));
  }

  static async listen(
    behaviour: Behaviour,
    credentials?: Credentials,
    port = 0,
  ): Promise<HostileReceiver> {
    const receiver = new HostileReceiver(behaviour, credentials);
    receiver.#server.listen(port, '127.0.0.1');
    await once(receiver.#server, 'listening');
    return receiver;
  }

  /** Also of one that no longer listens. */
  get port(): number {
    const address = this.#server.address() as AddressInfo | null;
    this.#port = address?.port ?? this.#port;
    return this.#port;
  }

  /** Resolves when `isDone` holds; it is asked after whatever happens. */
  async until(isDone: () => boolean): Promise<void> {
    while (!isDone()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#server.close();
    for (const socket of this.open) socket.destroy();
    await once(this.#server, 'close');
  }
}

/** Reads everything and answers nothing; as a plain server to a TLS client it hangs before the handshake. */
export const silent: Behaviour = (socket) => {
  socket.resume();
};

/** A good HTTP receiver of small requests: each comes in one piece. */
export const acknowledge: Behaviour = (socket) => {
  socket.on('data', () => socket.write('HTTP/1.1 204 No Content\r\n\r\n'));
};

/** Sends `text` as soon as the first byte of a request is there. */
export function say(text: string): Behaviour {
  return (socket) => {
    socket.once('data', () => socket.write(text));
  };
}

/** Sends `text` and closes. */
export function sayAndClose(text: string): Behaviour {
  return (socket) => {
    socket.once('data', () => socket.end(text));
  };
}

/** Sends `text` and resets the connection. */
export function sayAndReset(text: string): Behaviour {
  return (socket) => {
    socket.once('data', () => socket.write(text, () => socket.resetAndDestroy()));
  };
}

/** Sends `text`, then `piece` for ever, as fast as it is taken; once there is a request, or at once. */
export function flood(text: string, piece = 'x', isUnasked = false): Behaviour {
  return (socket) => {
    const pieces = Buffer.from(piece.repeat(Math.ceil((16 * 1024) / piece.length)));
    const go = (): void => {
      while (!socket.destroyed && socket.write(pieces));
    };
    const begin = (): void => {
      if (text !== '') socket.write(text);
      go();
    };
    if (isUnasked) begin();
    else socket.once('data', begin);
    socket.on('drain', go);
  };
}

/** Reads one byte per `everyMs`, and answers nothing. */
export function sip(everyMs: number): Behaviour {
  return (socket) => {
    socket.on('readable', () => undefined);
    const timer = setInterval(() => socket.read(1) as unknown, everyMs);
    socket.on('close', () => clearInterval(timer));
  };
}

/** One byte of an answer per `everyMs`, and no end. */
export function drip(text: string, everyMs: number): Behaviour {
  return (socket) => {
    let at = 0;
    const timer = setInterval(() => socket.write(text[at++] ?? 'x'), everyMs);
    socket.resume().on('close', () => clearInterval(timer));
  };
}

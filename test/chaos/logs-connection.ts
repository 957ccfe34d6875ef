import { connect, type Socket } from 'node:net';

export interface LogsAnswer {
  readonly status: number;
  /** `Spillway-Rejected`: messages of the request that were not stored. */
  readonly rejected: number;
}

/** One keep-alive connection to `POST /logs`, one request at a time. Raw, because it must cost next to nothing. */
export class LogsConnection {
  readonly #port: number;
  #socket: Socket | undefined;
  #waiting: { resolve: (answer: LogsAnswer) => void; reject: (error: Error) => void } | undefined;
  #received = '';

  constructor(port: number) {
    this.#port = port;
  }

  /** Resolves with the answer to a whole request; rejects when the connection breaks or `timeoutMs` pass before. */
  post(request: Buffer, timeoutMs: number): Promise<LogsAnswer> {
    return new Promise((resolve, reject) => {
      const timer = setTimeout(() => this.#fail(new Error('timeout')), timeoutMs);
      this.#waiting = {
        resolve: (answer) => {
          clearTimeout(timer);
          resolve(answer);
        },
        reject: (error) => {
          clearTimeout(timer);
          reject(error);
        },
      };
      this.#socket ??= this.#open();
      this.#socket.write(request);
    });
  }

  close(): void {
    this.#socket?.destroy();
    this.#socket = undefined;
  }

  #open(): Socket {
    const socket = connect({ port: this.#port, host: '127.0.0.1', noDelay: true });
    this.#received = '';
    socket.on('data', (chunk) => {
      if (this.#socket === socket) this.#read(chunk);
    });
    const gone = (error: Error): void => {
      if (this.#socket === socket) this.#fail(error);
    };
    socket.on('error', gone);
    socket.on('close', () => gone(new Error('closed')));
    return socket;
  }

  #read(chunk: Buffer): void {
    this.#received += chunk.toString('latin1');
    const headEnd = this.#received.indexOf('\r\n\r\n');
    if (headEnd < 0) return;
    const head = this.#received.slice(0, headEnd);
    const length = Number(/\r\ncontent-length: (\d+)/i.exec(head)?.[1] ?? 0);
    if (this.#received.length < headEnd + 4 + length) return;
    this.#received = this.#received.slice(headEnd + 4 + length);
    const answer = {
      status: Number(head.slice(9, 12)),
      rejected: Number(/\r\nspillway-rejected: (\d+)/i.exec(head)?.[1] ?? 0),
    };
    if (/\r\nconnection: close/i.test(head)) this.close();
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.resolve(answer);
  }

  #fail(error: Error): void {
    this.close();
    const waiting = this.#waiting;
    this.#waiting = undefined;
    waiting?.reject(error);
  }
}

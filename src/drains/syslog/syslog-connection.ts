import { classifySocketError, type DialFailure } from '../egress/dial-failure.ts';
import type { Dialled } from '../egress/egress-dialer.ts';
import type { TcpEndpoints } from './tcp-queues.ts';

export interface SyslogConnectionOptions {
  /** Silence after which TCP asks whether the peer is still there; it gives up ten seconds later. */
  readonly keepAliveMs: number;
  /** A receiver has nothing to say; one that says more is none. */
  readonly receivedBytesMax: number;
}

/**
 * One connection to a receiver. It ends once: with `broken`, unless {@link end} or {@link destroy} came
 * first. A FIN that the receiver sends first is a break too: it may be the end of a process that had
 * read our lines and stored none.
 */
export class SyslogConnection {
  readonly endpoints: TcpEndpoints;
  readonly sinceMs: number;
  /** Bytes that the connection has carried up to the last finished write, as TCP counts them. */
  sentBytes: number;
  readonly #dialled: Dialled;
  readonly #broken: (failure: DialFailure) => void;
  readonly #whenClosed: Promise<boolean>;
  #write: PromiseWithResolvers<DialFailure | undefined> | undefined;
  #failure: DialFailure | undefined;
  #isEnding = false;
  #isOver = false;

  constructor(
    options: SyslogConnectionOptions,
    dialled: Dialled,
    nowMs: number,
    broken: (failure: DialFailure) => void,
  ) {
    this.#dialled = dialled;
    this.#broken = broken;
    this.sinceMs = nowMs;
    this.endpoints = endpointsOf(dialled);
    this.sentBytes = dialled.tcp.bytesWritten;
    dialled.tcp.setKeepAlive(true, options.keepAliveMs);
    this.#whenClosed = this.#listen(options.receivedBytesMax);
  }

  get isWriting(): boolean {
    return this.#write !== undefined;
  }

  get isOver(): boolean {
    return this.#isOver;
  }

  /** Why it is over, where it was not ended by us and in good order. */
  get failure(): DialFailure | undefined {
    return this.#failure;
  }

  /** Resolves once TCP has taken all of `body`, or with the reason why it will not. One at a time. */
  async write(body: Buffer): Promise<DialFailure | undefined> {
    if (this.#isOver) return this.#failure ?? closed;
    const write = Promise.withResolvers<DialFailure | undefined>();
    this.#write = write;
    this.#dialled.stream.write(body, (error) => {
      if (error) return this.fail(classifySocketError(error));
      this.sentBytes = this.#dialled.tcp.bytesWritten;
      this.#write = undefined;
      return write.resolve(undefined);
    });
    return await write.promise;
  }

  /** Sends FIN after what was written; resolves true when the receiver answers with its own: it has read everything. */
  async end(): Promise<boolean> {
    this.#isEnding = true;
    this.#dialled.stream.end();
    return await this.#whenClosed;
  }

  /** Breaks the connection: whoever is writing gets the reason, otherwise `broken` is called. */
  fail(failure: DialFailure): void {
    if (this.#isOver) return;
    this.#failure = failure;
    const write = this.#write;
    const wasEnding = this.#isEnding;
    this.destroy();
    if (write) write.resolve(failure);
    else if (!wasEnding) this.#broken(failure);
  }

  /** Closes at once, and says nothing. */
  destroy(): void {
    this.#isOver = true;
    this.#write = undefined;
    this.#dialled.stream.destroy();
    this.#dialled.tcp.destroy();
  }

  /** Closes at once, and what TCP has taken but not sent yet is never sent: the kernel would go on for minutes. */
  reset(): void {
    const write = this.#write;
    this.#dialled.tcp.resetAndDestroy();
    this.destroy();
    write?.resolve(closed);
  }

  /** Resolves when the connection is closed: true when the receiver has answered our FIN. */
  #listen(receivedBytesMax: number): Promise<boolean> {
    const { stream } = this.#dialled;
    let receivedBytes = 0;
    let isAnswered = false;
    stream.on('data', (chunk: Buffer) => {
      receivedBytes += chunk.length;
      if (receivedBytes > receivedBytesMax) this.fail({ reason: 'protocol' });
    });
    stream.on('end', () => {
      if (this.#isEnding) isAnswered = true;
      else this.fail(closed);
    });
    stream.on('error', (error) => {
      isAnswered = false;
      this.fail(classifySocketError(error));
    });
    return new Promise((resolve) => {
      stream.on('close', () => {
        this.fail(closed);
        resolve(isAnswered);
      });
      if (!stream.destroyed) return;
      // It broke before anyone listened: whoever made it does not have it yet, and learns it when he writes.
      this.#failure = stream.errored ? classifySocketError(stream.errored) : closed;
      this.destroy();
      resolve(false);
    });
  }
}

const closed: DialFailure = { reason: 'closed' };

function endpointsOf({ tcp }: Dialled): TcpEndpoints {
  return {
    localAddress: tcp.localAddress ?? '',
    localPort: tcp.localPort ?? 0,
    remoteAddress: tcp.remoteAddress ?? '',
    remotePort: tcp.remotePort ?? 0,
  };
}

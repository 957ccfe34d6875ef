import type { ServerResponse } from 'node:http';
import { notices } from '../core/notices.ts';
import type { Clock } from '../core/clock.ts';
import type { LineBatch } from './line-batch.ts';
import type { Outlet, OutletListener } from './outlet.ts';
import { writeProgress } from './socket-progress.ts';
import { ownLine } from './tail-line.ts';

/**
 * A plain tail: one chunked response, raw bytes. The head goes out at once; that Node chooses the transfer coding
 * then makes it chunked for HTTP/1.1, and delimited by the end of the connection for HTTP/1.0.
 */
export class HttpOutlet implements Outlet {
  readonly #response: ServerResponse;
  readonly #clock: Clock;

  constructor(
    response: ServerResponse,
    parts: { readonly clock: Clock; readonly listener: OutletListener },
  ) {
    this.#response = response;
    this.#clock = parts.clock;
    response.on('drain', () => parts.listener.onDrained());
    response.on('close', () => parts.listener.onClosed());
    // The close that follows an error says all there is to say.
    response.on('error', () => undefined);
    response.writeHead(200, headers);
    response.flushHeaders();
    const { socket } = response;
    socket?.setNoDelay(true);
    socket?.setKeepAlive(true, keepAliveMs);
    socket?.setTimeout(0);
  }

  encode(batch: LineBatch): Buffer {
    return batch.text();
  }

  write(bytes: Buffer): boolean {
    return this.#response.write(bytes);
  }

  writeDropped(count: number, sinceMs: number): void {
    this.#response.write(ownLine(notices.tailOverflow(count, sinceMs), this.#clock.nowMs()));
  }

  unsentBytes(): number {
    return this.#response.writableLength;
  }

  progress(): number {
    return this.#response.socket ? writeProgress(this.#response.socket) : 0;
  }

  /** Nothing can be sent in band without being shown; dead peers are found by TCP keep-alive. */
  tend(): void {}

  end(): void {
    this.#response.end();
  }

  destroy(): void {
    this.#response.destroy();
  }
}

const keepAliveMs = 30_000;

const headers = {
  'Content-Type': 'text/plain; charset=utf-8',
  'X-Content-Type-Options': 'nosniff',
  // `no-transform` and the nginx header keep proxies from compressing or collecting what must be seen at once.
  'Cache-Control': 'no-store, no-transform',
  'X-Accel-Buffering': 'no',
  Connection: 'close',
} as const;

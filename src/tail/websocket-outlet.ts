import type { Socket } from 'node:net';
import type { WebSocket } from 'ws';
import { noticeTime } from '../core/notices.ts';
import type { Gap } from './history.ts';
import type { LineBatch } from './line-batch.ts';
import type { EndReason, Outlet, OutletListener } from './outlet.ts';
import { writeProgress } from './socket-progress.ts';

interface WebsocketOutletOptions {
  readonly pingEveryMs: number;
}

/** A websocket: one JSON object per message, `{"lines":[…]}`, `{"dropped":{…}}` or `{"gap":{…}}`. */
export class WebsocketOutlet implements Outlet {
  readonly #pingEveryMs: number;
  readonly #ws: WebSocket;
  readonly #socket: Socket;
  #pingedAtMs: number | undefined;
  #hasAnswered = true;

  constructor(
    options: WebsocketOutletOptions,
    parts: { readonly ws: WebSocket; readonly socket: Socket; readonly listener: OutletListener },
  ) {
    const { ws, socket, listener } = parts;
    this.#pingEveryMs = options.pingEveryMs;
    this.#ws = ws;
    this.#socket = socket;
    socket.setNoDelay(true);
    socket.setKeepAlive(true, keepAliveMs);
    socket.on('drain', () => listener.onDrained());
    ws.on('close', () => listener.onClosed());
    ws.on('pong', () => (this.#hasAnswered = true));
    ws.on('ping', (data: Buffer) => this.#pong(data));
    // The close that follows an error says all there is to say.
    ws.on('error', () => undefined);
  }

  encode(batch: LineBatch): Buffer {
    return batch.json();
  }

  write(bytes: Buffer): boolean {
    this.#ws.send(bytes, { binary: false });
    return !this.#socket.writableNeedDrain;
  }

  writeDropped(count: number, sinceMs: number): void {
    this.#ws.send(JSON.stringify({ dropped: { count, since: noticeTime(sinceMs) } }));
  }

  /** Says what lies between the position that the client asked to go on at and the first line it gets. */
  writeGap(gap: Gap): void {
    this.#ws.send(JSON.stringify({ gap }));
  }

  unsentBytes(): number {
    return this.#socket.writableLength;
  }

  progress(): number {
    return writeProgress(this.#socket);
  }

  /** Pings; a peer that has not answered the last one is dead. */
  tend(nowMs: number): void {
    this.#pingedAtMs ??= nowMs;
    if (nowMs - this.#pingedAtMs < this.#pingEveryMs) return;
    if (!this.#hasAnswered) return this.#ws.terminate();
    this.#pingedAtMs = nowMs;
    this.#hasAnswered = false;
    this.#ws.ping();
  }

  end(reason: EndReason): void {
    this.#ws.close(...closings[reason]);
  }

  destroy(): void {
    this.#ws.terminate();
  }

  /** Answers only while the client takes the answers: pings must not pile up in our memory. */
  #pong(data: Buffer): void {
    if (!this.#socket.writableNeedDrain) this.#ws.pong(data);
  }
}

const keepAliveMs = 30_000;

/** RFC 6455 §7.4.1. */
const closings: Record<EndReason, [code: number, reason: string]> = {
  complete: [1000, 'end of the log'],
  shutdown: [1001, 'going away; reconnect with position'],
  unauthorised: [1008, 'access has ended'],
};

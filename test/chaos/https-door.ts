import type { IncomingMessage, ServerResponse } from 'node:http';
import { createServer } from 'node:https';
import type { Server } from 'node:net';
import { setTimeout as sleep } from 'node:timers/promises';
import { crc32 } from 'node:zlib';
import { DoorServer } from './door-server.ts';
import type { DrainLedger } from './drain-ledger.ts';
import type { ModeHits, ReceiverMode } from './receiver-mode.ts';

export interface DoorParts {
  readonly credentials: { readonly key: string; readonly cert: string };
  readonly ledger: DrainLedger;
  readonly hits: ModeHits;
  /** The tick of the run that it is now. */
  readonly tick: () => number;
}

/** The receiver of one https drain. A batch counts when it is answered with 2xx. */
export class HttpsDoor {
  readonly #parts: DoorParts;
  /** Before each answer, also while all is well. */
  readonly #answerMs: number;
  readonly #server = new DoorServer(() => this.#create());
  #mode: ReceiverMode = 'up';
  #failures = 0;

  constructor(parts: DoorParts, answerMs: number) {
    this.#parts = parts;
    this.#answerMs = answerMs;
  }

  listen(): Promise<number> {
    return this.#server.listen();
  }

  async setMode(mode: ReceiverMode): Promise<void> {
    const wasDown = this.#mode === 'down';
    this.#mode = mode;
    if (mode === 'down' && !wasDown) {
      this.#server.close();
      this.#server.resetAll();
      this.#parts.hits.down++;
    }
    if (mode !== 'down' && wasDown) await this.listen();
  }

  #create(): Server {
    const server = createServer(this.#parts.credentials, (req, res) => void this.#serve(req, res));
    server.keepAliveTimeout = 60_000;
    return server;
  }

  async #serve(req: IncomingMessage, res: ServerResponse): Promise<void> {
    const { hits } = this.#parts;
    if (this.#mode === 'resetting') {
      hits.resetting++;
      // In the middle of the body, as far as there is a middle.
      req.once('data', () => this.#reset(req));
      return;
    }
    const body = await bodyOf(req);
    if (!body) return;
    switch (this.#mode) {
      case 'hanging':
        hits.hanging++;
        return;
      case 'failing':
        hits.failing++;
        this.#fail(res);
        return;
      case 'swallowing':
        hits.swallowing++;
        this.#take(req, body);
        this.#parts.ledger.swallowed(String(req.headers['logplex-frame-id']));
        this.#reset(req);
        return;
      case 'slow':
        hits.slow++;
        await sleep(slowMs);
        break;
      default:
        if (this.#answerMs > 0) await sleep(this.#answerMs);
    }
    // A client that has gone by now has not been answered.
    if (req.socket.destroyed || res.destroyed) return;
    this.#take(req, body);
    res.writeHead(204).end();
  }

  #take(req: IncomingMessage, body: Buffer): void {
    const { ledger, tick } = this.#parts;
    const announced = Number(req.headers['logplex-msg-count']);
    const frameId = String(req.headers['logplex-frame-id']);
    if (!/^[0-9a-f]{32}$/.test(frameId)) ledger.fault('Logplex-Frame-Id');
    ledger.batch(frameId, crc32(body), body, announced, tick());
  }

  #fail(res: ServerResponse): void {
    const status = [500, 503, 429][this.#failures++ % 3] ?? 500;
    res.writeHead(status, status === 500 ? {} : { 'Retry-After': '1' }).end('not now');
  }

  #reset(req: IncomingMessage): void {
    const { remotePort } = req.socket;
    for (const socket of this.#server.carriers) {
      if (socket.remotePort === remotePort) socket.resetAndDestroy();
    }
  }
}

const slowMs = 1500;

/** Undefined when the client went away before the end. */
async function bodyOf(req: IncomingMessage): Promise<Buffer | undefined> {
  const chunks: Buffer[] = [];
  try {
    for await (const chunk of req) chunks.push(chunk as Buffer);
  } catch {
    return undefined;
  }
  return req.complete ? Buffer.concat(chunks) : undefined;
}

import { createServer, type Server, type TLSSocket } from 'node:tls';
import { DoorServer } from './door-server.ts';
import { frameAt } from './drain-ledger.ts';
import type { DoorParts } from './https-door.ts';
import type { ReceiverMode } from './receiver-mode.ts';

/**
 * The receiver of one syslog+tls drain. A message counts when it is read. It reads its connections one after the
 * other, in the order in which they came: what a killed sender's kernel has left in one is older than all that comes
 * over the next.
 */
export class SyslogDoor {
  readonly #parts: DoorParts;
  readonly #server = new DoorServer(() => this.#create());
  /** Oldest first; only that one is read. */
  readonly #streams = new Set<TLSSocket>();
  #mode: ReceiverMode = 'up';

  constructor(parts: DoorParts) {
    this.#parts = parts;
  }

  listen(): Promise<number> {
    return this.#server.listen();
  }

  async setMode(mode: ReceiverMode): Promise<void> {
    const wasDown = this.#mode === 'down';
    this.#mode = mode;
    if (this.#mustReset()) this.#resetAll();
    if (mode === 'down' && !wasDown) {
      this.#server.close();
      this.#resetAll();
      this.#parts.hits.down++;
    }
    if (mode === 'hanging') {
      for (const stream of this.#streams) this.#hang(stream);
    } else this.#readOldest();
    if (mode !== 'down' && wasDown) await this.listen();
  }

  #create(): Server {
    return createServer(this.#parts.credentials, (stream) => this.#serve(stream));
  }

  #serve(stream: TLSSocket): void {
    this.#streams.add(stream);
    stream.on('error', () => undefined);
    stream.on('close', () => {
      this.#streams.delete(stream);
      this.#readOldest();
    });
    let rest: Buffer = Buffer.alloc(0);
    stream.on('data', (chunk: Buffer) => {
      rest = this.#split(rest.length > 0 ? Buffer.concat([rest, chunk]) : chunk, stream);
      if (this.#mode === 'slow') this.#sip(stream);
      if (this.#mustReset()) this.#resetAll();
    });
    if (this.#mode === 'hanging') this.#hang(stream);
    else stream.pause();
    this.#readOldest();
  }

  #readOldest(): void {
    const [oldest] = this.#streams;
    if (this.#mode !== 'hanging') oldest?.resume();
  }

  #split(bytes: Buffer, stream: TLSSocket): Buffer {
    const { ledger, tick } = this.#parts;
    const now = tick();
    let at = 0;
    for (;;) {
      const frame = frameAt(bytes, at);
      if (frame === 'incomplete') return bytes.subarray(at);
      if (frame === undefined) {
        ledger.fault('malformed frame');
        stream.destroy();
        return Buffer.alloc(0);
      }
      ledger.message(bytes, frame.start, frame.end, now);
      at = frame.end;
    }
  }

  #mustReset(): boolean {
    return ['resetting', 'failing', 'swallowing'].includes(this.#mode);
  }

  #resetAll(): void {
    this.#parts.hits.resetting += this.#server.carriers.size;
    this.#server.resetAll();
  }

  #hang(stream: TLSSocket): void {
    this.#parts.hits.hanging++;
    stream.pause();
  }

  #sip(stream: TLSSocket): void {
    this.#parts.hits.slow++;
    stream.pause();
    setTimeout(() => this.#readOldest(), sipMs);
  }
}

const sipMs = 300;

import type { Position } from '../../core/position.ts';

export interface UnconfirmedWindowOptions {
  readonly windowMs: number;
  readonly windowBytesMax: number;
}

/**
 * What was written to a receiver that acknowledges nothing, and may still be lost with it. A write counts as
 * arrived once TCP has had it acknowledged and either `windowMs` have passed or `windowBytesMax` more have been
 * acknowledged since: by then the receiver has read it from its socket. Time in which a write was stuck does
 * not count, because a receiver that does not read leaves everything where it is.
 */
export class UnconfirmedWindow {
  readonly #options: UnconfirmedWindowOptions;
  readonly #writes: Write[] = [];
  #blockedMs = 0;
  #blockedSinceMs: number | undefined;

  constructor(options: UnconfirmedWindowOptions) {
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#writes.length === 0;
  }

  /** A write begins. */
  block(nowMs: number): void {
    this.#blockedSinceMs ??= nowMs;
  }

  /** The write has been taken: everything before `to` is within the first `sentBytes` of the connection. */
  add(to: Position, sentBytes: number, nowMs: number): void {
    if (this.#blockedSinceMs !== undefined) this.#blockedMs += nowMs - this.#blockedSinceMs;
    this.#blockedSinceMs = undefined;
    const atMs = this.#unblockedMs(nowMs);
    const last = this.#writes.at(-1);
    if (last && atMs - last.sinceMs < joinMs && sentBytes - last.fromBytes < joinBytes) {
      Object.assign(last, { to, atMs, endBytes: sentBytes });
    } else {
      this.#writes.push({
        to,
        atMs,
        endBytes: sentBytes,
        sinceMs: atMs,
        fromBytes: last?.endBytes ?? sentBytes,
      });
    }
  }

  /** Moves the window on; returns the position up to which everything has arrived, when it moved. */
  confirm(ackedBytes: number, nowMs: number): Position | undefined {
    const { windowMs, windowBytesMax } = this.#options;
    const unblockedMs = this.#unblockedMs(nowMs);
    const open = this.#writes.findIndex(
      ({ atMs, endBytes }) =>
        endBytes > ackedBytes ||
        (unblockedMs - atMs < windowMs && ackedBytes - endBytes < windowBytesMax),
    );
    return this.#writes.splice(0, open < 0 ? this.#writes.length : open).at(-1)?.to;
  }

  /** The receiver has answered our FIN: it has read everything. */
  confirmAll(): Position | undefined {
    return this.#writes.splice(0).at(-1)?.to;
  }

  /** The connection is gone: what was not confirmed is written again, from the log. */
  clear(): void {
    this.#writes.length = 0;
    this.#blockedSinceMs = undefined;
  }

  #unblockedMs(nowMs: number): number {
    return nowMs - this.#blockedMs - (nowMs - (this.#blockedSinceMs ?? nowMs));
  }
}

interface Write {
  to: Position;
  atMs: number;
  endBytes: number;
  /** Of the first of the writes that were joined. */
  readonly sinceMs: number;
  readonly fromBytes: number;
}

/** Writes this close together are one: that bounds how many there are. */
const joinMs = 50;
const joinBytes = 256 * 1024;

import type { LineBatch } from './line-batch.ts';

/** Why a stream ends properly: all was shown, the process goes, or its reader may not see this app any more. */
export type EndReason = 'complete' | 'shutdown' | 'unauthorised';

export interface OutletListener {
  /** What was written has left this process; more may be written. */
  onDrained(): void;
  /** The client is gone, or has got the end. */
  onClosed(): void;
}

/** One client's connection, spoken to in its own protocol. After `onClosed` every call is harmless. */
export interface Outlet {
  /** Bytes of these lines on this outlet; the same Buffer for every outlet of the kind. */
  encode(batch: LineBatch): Buffer;
  /** False: wait for `onDrained` before writing more. Never more than one write is needed for a batch. */
  write(bytes: Buffer): boolean;
  /** Says that this client lost lines: L11. */
  writeDropped(count: number, sinceMs: number): void;
  /** Bytes written that the kernel has not taken yet. */
  unsentBytes(): number;
  /** A number that changes whenever the kernel takes some of what was written. */
  progress(): number;
  /** Looks after the connection, about once a second. */
  tend(nowMs: number): void;
  /** The protocol's own end, after all that was written. */
  end(reason: EndReason): void;
  /** Cuts the connection. */
  destroy(): void;
}

import type { Socket } from 'node:net';

/**
 * A number that changes whenever the kernel takes some of what was written. `writableLength` moves only by whole
 * writes; the rest of a write that is under way is known to libuv, where Node's own idle timer looks too
 * (lib/net.js, `_onTimeout`). Without it a client that takes less than one write a minute looks as if it stood still.
 */
export function writeProgress(socket: Socket): number {
  const { _handle: handle } = socket as { _handle?: { writeQueueSize?: unknown } | null };
  const underWay = handle?.writeQueueSize;
  return socket.writableLength + (typeof underWay === 'number' ? underWay : 0);
}

import { connect, isIPv6, type Socket } from 'node:net';
import type { Clock } from '../../core/clock.ts';

/**
 * Opens a TCP connection to the first of the addresses that answers: the next is tried when one fails,
 * or has not answered within `staggerMs` (RFC 8305 §5); the losers are destroyed. Rejects with the last
 * error, or with the signal's reason.
 */
export function connectAny(
  addresses: readonly string[],
  port: number,
  options: { readonly staggerMs: number; readonly clock: Clock },
  signal: AbortSignal,
): Promise<Socket> {
  return new Promise((resolve, reject) => {
    const dialling = new Set<Socket>();
    let tried = 0;
    let cancelStagger = (): void => {};

    const settle = (winner?: Socket): void => {
      cancelStagger();
      signal.removeEventListener('abort', abort);
      for (const socket of dialling) if (socket !== winner) socket.destroy();
      // What still happens to these sockets is no longer our matter, but their errors need a listener.
      dialling.clear();
    };
    const abort = (): void => {
      settle();
      reject(signal.reason as Error);
    };
    const dialNext = (error?: Error): void => {
      cancelStagger();
      const address = addresses[tried++];
      if (address !== undefined) dial(address);
      else if (dialling.size === 0) {
        settle();
        reject(error ?? new Error('no address to connect to'));
      }
    };
    const dial = (host: string): void => {
      const socket = connect({ host, port, family: isIPv6(host) ? 6 : 4, noDelay: true });
      dialling.add(socket);
      socket.on('error', (error) => {
        if (!dialling.delete(socket)) return;
        dialNext(error);
      });
      socket.once('connect', () => {
        settle(socket);
        resolve(socket);
      });
      if (tried < addresses.length) {
        cancelStagger = options.clock.after(options.staggerMs, () => dialNext());
      }
    };

    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    else dialNext();
  });
}

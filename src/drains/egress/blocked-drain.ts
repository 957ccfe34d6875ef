import type { Delivery, Drain } from '../drain.ts';

/** Stands for a drain that was added when the operator allowed more: it is held until that is so again. */
export class BlockedDrain implements Drain {
  deliver(): Promise<Delivery> {
    return Promise.resolve({ kind: 'hold', reason: 'blocked_address' });
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

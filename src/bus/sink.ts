import type { StoredRecord } from './bus.ts';

/** Where the router hands an app's live records: a drain worker or the tail hub; it cannot tell which. */
export interface Sink {
  /**
   * Takes a reference, synchronously and without ever waiting or throwing. A sink that cannot take it
   * remembers where it stands and reads the log later.
   */
  offer(record: StoredRecord): void;
}

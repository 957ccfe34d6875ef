import { DependencyError } from '../../core/errors.ts';
import type { LogRecord } from '../../core/record.ts';

export interface AppendQueueOptions {
  /** Records waiting for their turn to be written, in bytes. */
  readonly appendQueueBytesMax: number;
  /** Written and fsynced together, in bytes. */
  readonly commitBytesMax: number;
}

/** One request's records, and who waits for them to be durable. */
export interface Append {
  readonly records: readonly LogRecord[];
  readonly bytes: number;
  readonly resolve: () => void;
  readonly reject: (error: unknown) => void;
}

/** What waits to be written to one partition, in the order in which it came. */
export class AppendQueue {
  readonly #options: AppendQueueOptions;
  #appends: Append[] = [];
  #bytes = 0;

  constructor(options: AppendQueueOptions) {
    this.#options = options;
  }

  get isEmpty(): boolean {
    return this.#appends.length === 0;
  }

  /** Resolves, or rejects, as whoever takes it decides; rejects at once when too much waits already. */
  add(records: readonly LogRecord[]): Promise<void> {
    const bytes = records.reduce((sum, record) => sum + record.frames.length + overheadBytes, 0);
    if (this.#bytes > 0 && this.#bytes + bytes > this.#options.appendQueueBytesMax) {
      return Promise.reject(
        new DependencyError('BUS_OVERLOADED', 'too many bytes wait to be written'),
      );
    }
    this.#bytes += bytes;
    return new Promise((resolve, reject) => {
      this.#appends.push({ records, bytes, resolve, reject });
    });
  }

  /** The next ones, as many as one commit may hold, and at least one. */
  takeGroup(): Append[] {
    let bytes = 0;
    let count = 0;
    for (const append of this.#appends) {
      if (count > 0 && bytes + append.bytes > this.#options.commitBytesMax) break;
      bytes += append.bytes;
      count++;
    }
    this.#bytes -= bytes;
    return this.#appends.splice(0, count);
  }

  takeAll(): Append[] {
    this.#bytes = 0;
    return this.#appends.splice(0);
  }
}

/** What a record takes in the file beside its frames. */
const overheadBytes = 100;

import type { StoredRecord } from '../bus/bus.ts';
import type { Clock } from '../core/clock.ts';
import type { LogRecord } from '../core/record.ts';
import { KeyTable } from './key-table.ts';

export interface RepeatsOptions {
  /** A request is recognised for so long after it was stored. */
  readonly repeatWindowMs: number;
  /** Requests remembered. */
  readonly repeatsMax: number;
}

/** A request of which only some parts are in the log. */
export interface PartlyStored {
  readonly parts: number;
  readonly stored: ReadonlySet<number>;
}

/**
 * The requests that were stored lately, by key, so that one that is sent again is stored once. Two generations:
 * when the younger is full, or as old as the window, the older is forgotten.
 */
export class Repeats {
  readonly #options: RepeatsOptions;
  readonly #clock: Clock;
  /** Each key with the second, from 1, in which it was stored. */
  #young = new KeyTable();
  #old = new KeyTable();
  #turnedMs: number;
  /** A crash came between the parts of these. */
  readonly #partly = new Map<string, { readonly parts: number; readonly stored: Set<number> }>();

  constructor(options: RepeatsOptions, parts: { clock: Clock }) {
    this.#options = options;
    this.#clock = parts.clock;
    this.#turnedMs = parts.clock.monotonicMs();
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** What is known of a request: all of it is stored, some parts are, or nothing. */
  find(key: Buffer): 'stored' | PartlyStored | undefined {
    const second = this.#young.get(key) || this.#old.get(key);
    if (second > 0 && this.#clock.monotonicMs() - second * 1000 <= this.#options.repeatWindowMs) {
      return 'stored';
    }
    return this.#partly.size > 0 ? this.#partly.get(key.toString('latin1')) : undefined;
  }

  /** A request has become durable, whole. */
  remember(key: Buffer): void {
    const nowMs = this.#clock.monotonicMs();
    const isFull = this.#young.size >= this.#options.repeatsMax / 2;
    if (isFull || nowMs - this.#turnedMs >= this.#options.repeatWindowMs) this.#turn(nowMs);
    this.#young.set(key, Math.floor(nowMs / 1000) + 1);
    if (this.#partly.size > 0) this.#partly.delete(key.toString('latin1'));
  }

  /** Rebuilds the memory at a start, from the records at the end of the log. */
  async rebuild(records: AsyncIterable<StoredRecord>): Promise<void> {
    for await (const { record } of records) {
      const ageMs = this.#clock.nowMs() - record.receivedAtMs;
      if (ageMs <= this.#options.repeatWindowMs) this.#rememberPart(record);
    }
  }

  #rememberPart({ requestKey, part, parts }: LogRecord): void {
    if (!requestKey || this.find(requestKey) === 'stored') return;
    const key = requestKey.toString('latin1');
    const stored = this.#partly.get(key)?.stored ?? new Set();
    stored.add(part);
    if (stored.size >= parts) this.remember(requestKey);
    else this.#partly.set(key, { parts, stored });
  }

  #turn(nowMs: number): void {
    this.#turnedMs = nowMs;
    this.#old = this.#young;
    this.#young = new KeyTable();
  }
}

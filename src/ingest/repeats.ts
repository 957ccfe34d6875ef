import { hash } from 'node:crypto';
import { crc32 } from 'node:zlib';
import type { StoredRecord } from '../bus/bus.ts';
import type { Clock } from '../core/clock.ts';
import type { AppId } from '../core/ids.ts';
import { requestKeyBytes, type LogRecord } from '../core/record.ts';

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

/** Seconds when it was stored whole, or what is known of one that was not. */
type Memory = number | { readonly parts: number; readonly stored: Set<number> };

/**
 * The requests that were stored lately, by key, so that one that is sent again is stored once. Two generations:
 * when the younger is full, or as old as the window, the older is forgotten.
 */
export class Repeats {
  readonly #options: RepeatsOptions;
  readonly #clock: Clock;
  #young = new Map<string, Memory>();
  #old = new Map<string, Memory>();
  #turnedMs = 0;

  constructor(options: RepeatsOptions, parts: { clock: Clock }) {
    this.#options = options;
    this.#clock = parts.clock;
  }

  get size(): number {
    return this.#young.size + this.#old.size;
  }

  /** What is known of a request: all of it is stored, some parts are, or nothing. */
  find(key: string): 'stored' | PartlyStored | undefined {
    const memory = this.#young.get(key) ?? this.#old.get(key);
    if (typeof memory !== 'number') return memory;
    const ageMs = this.#clock.monotonicMs() - memory * 1000;
    return ageMs <= this.#options.repeatWindowMs ? 'stored' : undefined;
  }

  /** A request has become durable, whole. */
  remember(key: string): void {
    const nowMs = this.#clock.monotonicMs();
    this.#turn(nowMs);
    this.#young.set(key, Math.ceil(nowMs / 1000));
  }

  /** Rebuilds the memory at a start, from the records at the end of the log. */
  async rebuild(records: AsyncIterable<StoredRecord>): Promise<void> {
    for await (const { record } of records) {
      const ageMs = this.#clock.nowMs() - record.receivedAtMs;
      if (ageMs <= this.#options.repeatWindowMs) this.#rememberPart(record);
    }
  }

  #rememberPart(record: LogRecord): void {
    if (!record.requestKey) return;
    const key = record.requestKey.toString('latin1');
    const known = this.find(key);
    if (known === 'stored') return;
    const stored = new Set(known?.stored).add(record.part);
    if (stored.size >= record.parts) {
      this.remember(key);
      return;
    }
    this.#turn(this.#clock.monotonicMs());
    this.#young.set(key, { parts: record.parts, stored });
  }

  #turn(nowMs: number): void {
    const isFull = this.#young.size >= this.#options.repeatsMax / 2;
    if (!isFull && nowMs - this.#turnedMs < this.#options.repeatWindowMs) return;
    this.#turnedMs = nowMs;
    this.#old = this.#young;
    this.#young = new Map();
  }
}

/** What makes two requests the same one. */
export interface RequestFacts {
  readonly app: AppId;
  readonly requestId: string;
  /** Of the body, inflated. */
  readonly bytes: number;
  readonly frames: number;
  readonly lastFrame: Buffer;
}

/**
 * Gateways reuse ids, so the id alone does not do; log-shuttle stamps its own loss line, the first of a batch,
 * anew on each try, so the whole body does not do either.
 */
export function requestKey(facts: RequestFacts): Buffer {
  const { app, requestId, bytes, frames, lastFrame } = facts;
  const text = `${app} ${bytes} ${frames} ${crc32(lastFrame)} ${requestId}`;
  return hash('sha256', text, 'buffer').subarray(0, requestKeyBytes);
}

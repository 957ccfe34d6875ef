import { randomUUID } from 'node:crypto';
import { frame } from './records.ts';
import { postLogs } from './platform-client.ts';
import { pause } from './pipeline.ts';

export interface NumberedSenderOptions {
  readonly url: string;
  readonly token: string;
  readonly linesPerRequest?: number;
  /** Requests under way at once, each with its own range of numbers. */
  readonly lanes?: number;
  /** Bytes added to each line. */
  readonly padBytes?: number;
  readonly pauseMs?: number;
}

/**
 * Sends numbered lines as fast as they are taken, each lane's in order, repeating a request with its id until it is
 * answered with 204. `acked` is what was promised.
 */
export class NumberedSender {
  readonly acked = new Set<number>();
  readonly statuses = new Map<number, number>();
  readonly #laneOf = new Map<number, number>();
  /** Numbers handed out so far: some of them may not have been acknowledged. */
  next = 0;
  readonly #options: NumberedSenderOptions;
  readonly #pad: string;
  #isStopped = false;
  #isGivingUp = false;
  readonly #lanes: Promise<void>[];

  constructor(options: NumberedSenderOptions) {
    this.#options = options;
    this.#pad = 'x'.repeat(options.padBytes ?? 100);
    this.#lanes = Array.from({ length: options.lanes ?? 1 }, (_, lane) => this.#lane(lane));
  }

  /** Takes no more numbers, and resolves when those taken are acknowledged, or given up when told so. */
  async stop({ givingUp = false } = {}): Promise<void> {
    this.#isStopped = true;
    this.#isGivingUp = givingUp;
    await Promise.all(this.#lanes);
  }

  /** How many of these, in order of arrival, came before an earlier one of the same lane. */
  outOfOrder(arrived: Iterable<number>): number {
    const last = new Map<number, number>();
    let count = 0;
    for (const n of arrived) {
      const lane = this.#laneOf.get(n) ?? -1;
      if (n < (last.get(lane) ?? -1)) count++;
      last.set(lane, n);
    }
    return count;
  }

  async #lane(lane: number): Promise<void> {
    const { linesPerRequest = 5, pauseMs = 0 } = this.#options;
    while (!this.#isStopped) {
      const from = this.next;
      this.next += linesPerRequest;
      const numbers = Array.from({ length: linesPerRequest }, (_, i) => from + i);
      for (const n of numbers) this.#laneOf.set(n, lane);
      if (await this.#send(numbers)) for (const n of numbers) this.acked.add(n);
      if (pauseMs > 0) await pause(pauseMs);
    }
  }

  async #send(numbers: readonly number[]): Promise<boolean> {
    const { url, token } = this.#options;
    const body = numbers.map((n) => frame(`n=${n} ${this.#pad}`)).join('');
    const headers = { 'x-request-id': randomUUID(), 'user-agent': 'log-shuttle/0.22' };
    while (!this.#isGivingUp) {
      try {
        const { status } = await postLogs(url, token, body, headers);
        this.statuses.set(status, (this.statuses.get(status) ?? 0) + 1);
        if (status === 204) return true;
        if (status >= 400) return false;
      } catch {
        await pause(50);
      }
    }
    return false;
  }
}

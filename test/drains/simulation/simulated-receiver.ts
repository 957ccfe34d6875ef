import type { Batch, Delivery, Drain, StreamEvents } from '../../../src/drains/drain.ts';
import type { FakeClock } from '../../support/fake-clock.ts';
import type { Seeded } from './seeded.ts';

export const moods = [
  'fine',
  'slow',
  'flaky',
  'down',
  'hanging',
  'lying',
  'holding',
  'small',
  'picky',
  'refusing',
  'moody',
] as const;
export type Mood = (typeof moods)[number];

/** Every attempt, as the receiver saw it. */
export interface Attempt {
  readonly batch: Batch;
  readonly texts: readonly string[];
  /** The receiver has the lines, whatever it answered. */
  readonly isTaken: boolean;
  readonly delivery: Delivery;
}

export interface ReceiverParts {
  readonly clock: FakeClock;
  readonly random: Seeded;
  readonly isStream: boolean;
  readonly saw: (attempt: Attempt) => void;
}

/** Someone else's server, at its worst. Outlives the node's crashes; each life of the node dials it anew. */
export class SimulatedReceiver {
  mood: Mood = 'fine';
  readonly #parts: ReceiverParts;
  #hangUp: () => void = () => undefined;

  constructor(parts: ReceiverParts) {
    this.#parts = parts;
  }

  /** The node is gone: some of what was under way arrives, and nothing later. */
  hangUp(): void {
    this.#hangUp();
  }

  dial(events: StreamEvents): Drain & { breakOff(): void } {
    return this.#parts.isStream ? this.#stream(events) : this.#requests();
  }

  #requests(): Drain & { breakOff(): void } {
    let sending: Batch | undefined;
    let isGone = false;
    this.#hangUp = () => {
      isGone = true;
      const isTaken = this.#parts.random.isLikely(0.5);
      if (sending) this.#saw(sending, { kind: 'retry', reason: 'closed' }, isTaken);
    };
    return {
      deliver: async (batch, signal) => {
        sending = batch;
        const delivery = await this.#answer(batch, signal);
        if (isGone) return delivery;
        sending = undefined;
        const isLie = this.mood === 'lying' && delivery.kind === 'retry' && !signal.aborted;
        this.#saw(batch, delivery, delivery.kind === 'delivered' || isLie);
        return delivery;
      },
      close: () => Promise.resolve(),
      breakOff: () => undefined,
    };
  }

  /** One connection after the other; what is written arrives in order, and a break takes the end of it. */
  #stream(events: StreamEvents): Drain & { breakOff(): void } {
    const { random, clock } = this.#parts;
    let buffered: Batch[] = [];
    const written = { kind: 'written' } as const;
    const read = (count: number): void => {
      const arrived = buffered.splice(0, count);
      for (const batch of arrived) this.#saw(batch, written, true);
      const last = arrived.at(-1);
      if (last) events.confirmed(last.to);
    };
    const end = (): boolean => {
      const lost = buffered.splice(0);
      // Some of what was never confirmed arrived nevertheless.
      for (const batch of lost.slice(0, random.int(0, lost.length)))
        this.#saw(batch, written, true);
      return lost.length > 0;
    };
    const breakOff = (): void => {
      if (end()) events.broken('closed');
    };
    let isGone = false;
    this.#hangUp = () => {
      isGone = true;
      end();
    };
    return {
      deliver: async (batch, signal) => {
        const answer = await this.#answer(batch, signal);
        if (isGone || answer.kind !== 'delivered') {
          buffered = [];
          if (answer.kind === 'hold') return answer;
          return { kind: 'retry', reason: 'closed' };
        }
        // The body is the worker's again once it is written.
        buffered.push({ ...batch, body: Buffer.from(batch.body) });
        clock.after(random.int(1, 3000), () => read(random.int(1, 3)));
        return written;
      },
      close: (signal) => {
        if (!signal.aborted && random.isLikely(0.7)) read(buffered.length);
        buffered = [];
        return Promise.resolve();
      },
      breakOff,
    };
  }

  async #answer(batch: Batch, signal: AbortSignal): Promise<Delivery> {
    const { random } = this.#parts;
    const mood = this.mood === 'moody' ? random.pick(moods) : this.mood;
    const taken = { kind: 'delivered', rejected: 0 } as const;
    const failed = { kind: 'retry', reason: 'http_5xx' } as const;
    switch (mood) {
      case 'fine':
      case 'moody':
        return taken;
      case 'slow':
        return (await this.#pause(random.int(10, 9000), signal)) ? taken : failed;
      case 'flaky':
      case 'lying':
        await this.#pause(random.int(0, 100), signal);
        if (signal.aborted || random.isLikely(0.6)) return failed;
        return { kind: 'delivered', rejected: random.isLikely(0.1) ? random.int(1, 3) : 0 };
      case 'down':
        return random.isLikely(0.1)
          ? { kind: 'retry', reason: 'http_429', afterMs: random.int(1000, 900_000) }
          : { kind: 'retry', reason: 'connect' };
      case 'hanging':
        await this.#pause(15_000, signal);
        return { kind: 'retry', reason: 'timeout' };
      case 'holding':
        return { kind: 'hold', reason: 'http_4xx', status: 403 };
      case 'small':
        return batch.messages > 2 ? { kind: 'split', status: 413 } : taken;
      case 'picky':
        return isOffending(batch) ? { kind: 'split', status: 400 } : taken;
      case 'refusing':
        return random.isLikely(0.3) ? { kind: 'refused', status: 422 } : taken;
    }
  }

  /** False when it was cut short. */
  async #pause(ms: number, signal: AbortSignal): Promise<boolean> {
    await this.#parts.clock.sleep(ms, signal).catch(() => undefined);
    return !signal.aborted;
  }

  #saw(batch: Batch, delivery: Delivery, isTaken: boolean): void {
    const texts = batch.body.toString().split('\n').slice(0, -1);
    this.#parts.saw({ batch, texts, isTaken, delivery });
  }
}

/** Lines that a picky receiver does not want end in `!`; so, to it, does our own L10 sometimes. */
function isOffending({ body, to }: Batch): boolean {
  const texts = body.toString().split('\n').slice(0, -1);
  const isL10Unwanted = to.offset % 2 === 0;
  return texts.some((t) => t.endsWith('!') || (isL10Unwanted && t.startsWith('Error L10')));
}

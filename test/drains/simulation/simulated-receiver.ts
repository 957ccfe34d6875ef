import type { Batch, Delivery, Drain, StreamEvents } from '../../../src/drains/drain.ts';
import type { FakeClock } from '../../support/fake-clock.ts';
import type { SeededChance } from '../../support/seeded-chance.ts';

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
  readonly startedMs: number;
  /** The receiver has the lines, whatever it answered. */
  readonly isTaken: boolean;
  readonly delivery: Delivery;
}

export interface ReceiverParts {
  readonly clock: FakeClock;
  readonly random: SeededChance;
  readonly isStream: boolean;
  readonly saw: (attempt: Attempt) => void;
}

type Dialled = Drain & {
  /** The connection breaks. */
  breakOff(): void;
};

const written = { kind: 'written' } as const;
const closed = { kind: 'retry', reason: 'closed' } as const;

/** Someone else's server, at its worst. Outlives the node's crashes; each life of the node dials it anew. */
export class SimulatedReceiver {
  mood: Mood = 'fine';
  /** How often it has answered so. */
  readonly answers = { hold: 0, split: 0 };
  /** Requests that it has had at the same time. */
  mostAtOnce = 0;
  readonly #parts: ReceiverParts;
  #hangUp: () => void = () => undefined;

  constructor(parts: ReceiverParts) {
    this.#parts = parts;
  }

  /** The node is gone: some of what was under way arrives, and nothing later. */
  hangUp(): void {
    this.#hangUp();
  }

  dial(events: StreamEvents): Dialled {
    return this.#parts.isStream ? this.#stream(events) : this.#requests();
  }

  #requests(): Dialled {
    const { clock, random } = this.#parts;
    const sending = new Set<{ batch: Batch; startedMs: number }>();
    let isGone = false;
    this.#hangUp = () => {
      isGone = true;
      for (const request of sending) {
        this.#saw(request.batch, closed, { ...request, isTaken: random.percent(50) });
      }
    };
    return {
      deliver: async (batch, signal) => {
        const startedMs = clock.monotonicMs();
        const request = { batch, startedMs };
        sending.add(request);
        this.mostAtOnce = Math.max(this.mostAtOnce, sending.size);
        const delivery = await this.#answer(batch, signal);
        if (isGone) return delivery;
        sending.delete(request);
        const isLie = this.mood === 'lying' && delivery.kind === 'retry' && !signal.aborted;
        const isTaken = delivery.kind === 'delivered' || isLie;
        this.#saw(batch, delivery, { startedMs, isTaken });
        return delivery;
      },
      close: () => Promise.resolve(),
      breakOff: () => undefined,
    };
  }

  /** One connection after the other; what is written arrives in order, and a break takes the end of it. */
  #stream(events: StreamEvents): Dialled {
    const { random, clock } = this.#parts;
    let buffered: { batch: Batch; startedMs: number }[] = [];
    let connection = 0;
    let isGone = false;
    const arrive = (count: number): Batch | undefined => {
      const arrived = buffered.splice(0, count);
      for (const { batch, startedMs } of arrived) {
        this.#saw(batch, written, { startedMs, isTaken: true });
      }
      return arrived.at(-1)?.batch;
    };
    const read = (count: number): void => {
      const last = arrive(count);
      if (last) events.confirmed(last.to);
    };
    const end = (): boolean => {
      const isLossy = buffered.length > 0;
      // Some of what was never confirmed arrived nevertheless.
      arrive(random.int(0, buffered.length));
      buffered = [];
      // What is being written meanwhile has failed, whatever became of it.
      connection++;
      return isLossy;
    };
    this.#hangUp = () => {
      isGone = true;
      end();
    };
    return {
      deliver: async (batch, signal) => {
        const [startedMs, writingOn] = [clock.monotonicMs(), connection];
        const answer = await this.#answer(batch, signal);
        if (isGone || writingOn !== connection) return closed;
        if (answer.kind !== 'delivered') {
          const delivery = answer.kind === 'hold' ? answer : closed;
          end();
          this.#saw(batch, delivery, { startedMs, isTaken: false });
          return delivery;
        }
        // The body is the worker's again once it is written.
        buffered.push({ batch: { ...batch, body: Buffer.from(batch.body) }, startedMs });
        clock.after(random.int(1, 3000), () => read(random.int(1, 3)));
        return written;
      },
      close: (signal) => {
        if (!signal.aborted && random.percent(70)) read(buffered.length);
        else end();
        return Promise.resolve();
      },
      breakOff: () => {
        if (end()) events.broken('closed');
      },
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
        if (signal.aborted || random.percent(60)) return failed;
        return { kind: 'delivered', rejected: random.percent(10) ? random.int(1, 3) : 0 };
      case 'down':
        return random.percent(10)
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
        return isOffending(batch) ? { kind: 'split', status: random.pick([400, 422]) } : taken;
      case 'refusing':
        return random.percent(30) ? { kind: 'refused', status: 422 } : taken;
    }
  }

  /** False when it was cut short. */
  async #pause(ms: number, signal: AbortSignal): Promise<boolean> {
    await this.#parts.clock.sleep(ms, signal).catch(() => undefined);
    return !signal.aborted;
  }

  #saw(batch: Batch, delivery: Delivery, how: { startedMs: number; isTaken: boolean }): void {
    const texts = batch.body.toString().split('\n').slice(0, -1);
    const { startedMs, isTaken } = how;
    if (delivery.kind === 'hold' || delivery.kind === 'split') this.answers[delivery.kind]++;
    this.#parts.saw({ batch, texts, startedMs, isTaken, delivery });
  }
}

/** Lines that a picky receiver does not want end in `!`; so, to it, does our own L10 sometimes. */
function isOffending({ body, to }: Batch): boolean {
  const texts = body.toString().split('\n').slice(0, -1);
  const isL10Unwanted = to.offset % 2 === 0;
  return texts.some((t) => t.endsWith('!') || (isL10Unwanted && t.startsWith('Error L10')));
}

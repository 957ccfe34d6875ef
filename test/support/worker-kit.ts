import { Registry } from 'prom-client';
import type { StoredRecord } from '../../src/bus/bus.ts';
import { appId, drainId } from '../../src/core/ids.ts';
import { LoopShare } from '../../src/core/loop-share.ts';
import { decodeBooks, encodeBooks, newBooks, type Books } from '../../src/drains/drain-books.ts';
import { frameId, type BatchEncoder } from '../../src/drains/batch-cutter.ts';
import type { BatchShapes } from '../../src/drains/batch-shape.ts';
import type { Batch, Delivery, Drain, StreamEvents } from '../../src/drains/drain.ts';
import { DrainMetrics } from '../../src/drains/drain-metrics.ts';
import { DrainNotices } from '../../src/drains/drain-notices.ts';
import { DrainWorker, type DrainWorkerOptions } from '../../src/drains/drain-worker.ts';
import { QueueBudget } from '../../src/drains/queue-budget.ts';
import { notices } from '../../src/core/notices.ts';
import { FakeClock } from './fake-clock.ts';
import { MemoryLog } from './memory-log.ts';
import { textsOf } from './records.ts';
import { silentLogger } from './silent-logger.ts';

/** Encodes a line as its text and LF. */
export class TextEncoder implements BatchEncoder {
  #texts: string[] = [];
  #bytes = 0;
  #bytesMax = 0;

  get messages(): number {
    return this.#texts.length;
  }

  get isFull(): boolean {
    return this.#bytes >= this.#bytesMax;
  }

  begin(bytesMax: number): void {
    this.#bytesMax = bytesMax;
    this.#texts = [];
    this.#bytes = 0;
  }

  overflow(report: { count: number; sinceMs: number; exact: boolean }): void {
    this.#add(notices.drainOverflow(report.count, report.sinceMs, report.exact));
  }

  lines(stored: StoredRecord, fromLine: number, toLine: number): number {
    const texts = textsOf(stored.record.frames);
    for (let line = fromLine; line < toLine; line++) {
      const text = texts[line] ?? '';
      if (this.messages > 0 && this.#bytes + text.length + 1 > this.#bytesMax) return line;
      this.#add(text);
    }
    return toLine;
  }

  finish(): Buffer {
    return Buffer.from(this.#texts.map((text) => `${text}\n`).join(''));
  }

  recycle(): void {
    // The next body is a new one anyway.
  }

  #add(text: string): void {
    this.#texts.push(text);
    this.#bytes += text.length + 1;
  }
}

/** A receiver that answers as it is told, and remembers what it got. */
export class ScriptedDrain implements Drain {
  readonly batches: Batch[] = [];
  readonly texts: string[] = [];
  answer: (batch: Batch) => Delivery | Promise<Delivery> = () => ({
    kind: 'delivered',
    rejected: 0,
  });
  events: StreamEvents | undefined;

  async deliver(batch: Batch, signal: AbortSignal): Promise<Delivery> {
    this.batches.push(batch);
    const aborted = new Promise<Delivery>((resolve) => {
      signal.addEventListener('abort', () => resolve({ kind: 'retry', reason: 'closed' }), {
        once: true,
      });
    });
    const delivery = await Promise.race([this.answer(batch), aborted]);
    const isTaken = delivery.kind === 'delivered' || delivery.kind === 'written';
    if (isTaken) this.texts.push(...batch.body.toString().split('\n').slice(0, -1));
    return delivery;
  }

  close(): Promise<void> {
    return Promise.resolve();
  }
}

export const workerDefaults: DrainWorkerOptions = {
  id: drainId(7),
  app: appId(1),
  queueBytesMax: 1 << 20,
  readBytesMax: 4000,
  batchBytesMax: 100_000,
  batchLinesMax: 500,
  batchMsMax: 1000,
  retryBaseMs: 1000,
  retryMsMax: 300_000,
  stableMs: 30_000,
  holdProbeMs: 300_000,
  disableAfterMs: 5 * 86_400_000,
  splitRequestsMax: 20,
  smallBatchMs: 600_000,
  concurrency: 1,
};

/** One worker on a log in memory, with a scripted receiver, fake time, and its last checkpoint at hand. */
export class WorkerKit {
  readonly clock = new FakeClock();
  readonly metricsRegistry = new Registry();
  readonly bus: MemoryLog;
  readonly drain = new ScriptedDrain();
  saved: Books | null = null;
  /** When set, checkpoints are refused with it. */
  refuseCheckpoints: Error | undefined;
  worker: DrainWorker;
  readonly #options: DrainWorkerOptions;
  readonly #isStream: boolean;
  #shapes: BatchShapes;
  readonly #budget: QueueBudget;

  constructor(
    options: Partial<DrainWorkerOptions> = {},
    over: {
      bus?: MemoryLog;
      isStream?: boolean;
      books?: Books;
      encoder?: BatchEncoder;
      shapes?: BatchShapes;
      queuesBytesMax?: number;
    } = {},
  ) {
    this.bus = over.bus ?? new MemoryLog();
    this.#options = { ...workerDefaults, ...options };
    this.#isStream = over.isStream ?? false;
    const current = { encoder: over.encoder ?? new TextEncoder() };
    this.#shapes = over.shapes ?? { current, of: () => current };
    this.#budget = new QueueBudget({ queuesBytesMax: over.queuesBytesMax ?? 1 << 30 });
    const position = { logId: this.bus.logId, partition: 0, offset: 0, line: 0 };
    this.worker = this.#make(over.books ?? newBooks({ position, seq: 0 }, this.clock.nowMs()));
    this.bus.subscribe({
      assigned: () => undefined,
      revoked: () => undefined,
      records: (_partition, records) => {
        for (const record of records) {
          if (record.record.app === this.#options.app) this.worker.offer(record);
        }
      },
    });
  }

  /** As after `kill -9`: a new worker goes on from the last checkpoint, with other options perhaps. */
  async restart(shapes: BatchShapes = this.#shapes): Promise<void> {
    this.#shapes = shapes;
    const saved = this.saved ?? this.worker.books;
    await this.worker.remove();
    this.saved = saved;
    const entry = JSON.parse(JSON.stringify(encodeBooks(saved))) as ReturnType<typeof encodeBooks>;
    this.worker = this.#make(decodeBooks(entry) ?? saved);
    this.worker.start();
  }

  #make(books: Books): DrainWorker {
    const { clock, bus } = this;
    const { id, app } = this.#options;
    return new DrainWorker(
      this.#options,
      {
        bus,
        budget: this.#budget,
        catchUp: new LoopShare({ turnBytesMax: 1 << 15 }),
        makeDrain: (events) => {
          this.drain.events = events;
          return { drain: this.drain, isStream: this.#isStream };
        },
        shapes: this.#shapes,
        checkpoint: (changed) => {
          if (this.refuseCheckpoints) return Promise.reject(this.refuseCheckpoints);
          this.saved = changed;
          return Promise.resolve();
        },
        notices: new DrainNotices(
          {
            id,
            app,
            maskedUrl: 'https://drain.example/',
            intervalMs: 10_000,
            retryMs: 1000,
            readBytesMax: 4000,
          },
          { bus, clock, logger: silentLogger },
        ),
        clock,
        chance: { fraction: () => 0.5, bytes: (n) => Buffer.alloc(n), uuid: () => '' },
        logger: silentLogger,
        metrics: new DrainMetrics(new Registry()).of('https'),
        frameId: (from, lines) => frameId(id, from, lines),
      },
      books,
    );
  }
}

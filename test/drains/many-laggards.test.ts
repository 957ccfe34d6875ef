import { expect, test } from 'vitest';
import type { StoredRecord } from '../../src/bus/bus.ts';
import type { EmbeddedLog } from '../../src/bus/embedded/embedded-log.ts';
import { appId, type AppId } from '../../src/core/ids.ts';
import { nextRecord } from '../../src/core/position.ts';
import { LineSource } from '../../src/drains/line-source.ts';
import { QueueBudget } from '../../src/drains/queue-budget.ts';
import { openEmbedded, temporaryDirectory } from '../support/embedded.ts';
import { linesRecord } from '../support/records.ts';

/** One drain's end of the log: takes line after line, and notes each that is not the next. */
class Laggard {
  readonly app: AppId;
  readonly source: LineSource;
  next = 0;
  outOfTurn = 0;
  reads = 0;
  readOnce = (): void => undefined;
  #ring = (): void => undefined;

  constructor(bus: EmbeddedLog, budget: QueueBudget, app: AppId) {
    this.app = app;
    const position = { logId: bus.logId, partition: 0, offset: 0, line: 0 };
    this.source = new LineSource(
      { queueBytesMax: 64 << 10, readBytesMax: 1 << 20, batchBytesMax: 64 << 10 },
      { bus, budget, app, from: { position, seq: 0 }, released: () => this.#ring() },
    );
  }

  offer(stored: StoredRecord): void {
    this.source.offer(stored);
    this.#ring();
  }

  /** At the pace of a receiver: a few lines in each turn of the loop, none before all the others have some too. */
  async takeAll(lines: number, othersHaveRead: Promise<void>): Promise<void> {
    await this.#read();
    await othersHaveRead;
    for (let taken = 0; this.next < lines; taken++) {
      const { source } = this;
      if (taken % 8 === 7) await new Promise((resolve) => setImmediate(resolve));
      if (source.first) this.#takeOne();
      else if (source.isLive) await new Promise<void>((resolve) => (this.#ring = resolve));
      else await this.#read();
    }
  }

  async #read(): Promise<void> {
    await this.source.read();
    this.source.filled();
    this.reads++;
    this.readOnce();
  }

  #takeOne(): void {
    const { first } = this.source;
    if (first?.kind !== 'record') {
      this.outOfTurn++;
      this.source.shift();
      return;
    }
    const { stored, fromLine } = first;
    if (stored.appSeq + fromLine !== this.next) this.outOfTurn++;
    this.next = stored.appSeq + stored.record.lines;
    this.source.passed({ position: nextRecord(stored.position), seq: this.next });
  }
}

const apps = Array.from({ length: 50 }, (_, i) => appId(i + 1));
const drainsPerApp = 20;
const linesPerRecord = 4;
const text = 'x'.repeat(200);

async function flood(bus: EmbeddedLog, rounds: number): Promise<void> {
  for (let round = 0; round < rounds; round++) {
    const texts = Array.from({ length: linesPerRecord }, () => text);
    await Promise.all(apps.map((app) => bus.append([linesRecord(app, texts)])));
  }
}

test(
  'a thousand laggards of one log turn live under a flood, each at its exact place, and hold no more than they may',
  { timeout: 60_000 },
  async () => {
    await using directory = await temporaryDirectory();
    const bus = await openEmbedded(directory.path, { segmentBytes: 4 << 20 });
    await flood(bus, 200);
    const queuesBytesMax = 70 << 20;
    const budget = new QueueBudget({ queuesBytesMax });
    const laggards = apps.flatMap((app) =>
      Array.from({ length: drainsPerApp }, () => new Laggard(bus, budget, app)),
    );
    const byApp = new Map(apps.map((app) => [app, laggards.filter((one) => one.app === app)]));
    let mostBytes = 0;
    bus.subscribe({
      assigned: () => undefined,
      revoked: () => undefined,
      records: (_partition, records) => {
        for (const stored of records) {
          for (const one of byApp.get(stored.record.app) ?? []) one.offer(stored);
        }
        mostBytes = Math.max(mostBytes, budget.bytes);
      },
    });
    const lines = 300 * linesPerRecord;
    const allHaveRead = Promise.all(
      laggards.map((one) => new Promise<void>((resolve) => (one.readOnce = resolve))),
    ).then(() => undefined);
    await Promise.all([flood(bus, 100), ...laggards.map((one) => one.takeAll(lines, allHaveRead))]);
    expect(laggards.filter(({ outOfTurn }) => outOfTurn > 0)).toEqual([]);
    expect(laggards.filter(({ next }) => next !== lines)).toEqual([]);
    expect(laggards.every(({ reads }) => reads > 1)).toBe(true);
    // How full the queues get depends on who is faster; that they do fill must be seen.
    expect(mostBytes).toBeGreaterThan(1 << 20);
    expect(mostBytes).toBeLessThanOrEqual(queuesBytesMax);
    expect(budget.bytes).toBe(0);
    await bus.close();
  },
);

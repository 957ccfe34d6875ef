import { expect } from 'vitest';
import type { LogBus, StoredRecord } from '../../src/bus/bus.ts';
import { appId } from '../../src/core/ids.ts';
import type { LogRecord } from '../../src/core/record.ts';
import { linesRecord, textsOf } from './records.ts';
import type { SeededChance } from './seeded-chance.ts';

/** A record that somebody saw, with what it had then. */
interface Known {
  readonly id: string;
  readonly app: number;
  readonly frames: Buffer;
  readonly lines: number;
  readonly offset: number;
  readonly seq: number;
  readonly previous: number;
}

interface Attempt {
  readonly app: number;
  readonly record: LogRecord;
}

/** What of the log may be missing or different after a fault. */
export interface Tolerance {
  /** Records that were seen may be gone, as gaps in the numbers: the disk returned something else than was written. */
  readonly corruption: boolean;
}

/**
 * What the log must say, kept beside it in the simplest way: every record that was seen (published, hence also
 * everything acknowledged) stays, with its bytes, position and numbers; records whose append had no answer when
 * the process ended may be there or not, whole and in order; nothing else is.
 */
export class LogModel {
  readonly #known: Known[] = [];
  readonly #knownIds = new Set<string>();
  #attempts = new Map<string, Attempt>();
  #acknowledged = new Set<string>();
  #next = 0;
  readonly apps: readonly number[];

  constructor(apps: readonly number[]) {
    this.apps = apps;
  }

  get acknowledged(): number {
    return this.#acknowledged.size;
  }

  /** Follows what the log publishes: it is then visible to everybody. */
  follow(bus: LogBus): void {
    bus.subscribe({
      assigned: () => undefined,
      revoked: () => undefined,
      records: (_partition, records) => {
        for (const stored of records) this.#learn(stored, false);
      },
    });
  }

  /** One request of an app with as many records as asked for. */
  async append(bus: LogBus, app: number, chance: SeededChance, records = 1): Promise<void> {
    const made = Array.from({ length: records }, () => this.#make(app, chance));
    const ids = made.map((record) => idOf(record.frames));
    for (const [i, id] of ids.entries()) {
      this.#attempts.set(id, { app, record: made[i] as LogRecord });
    }
    await bus.append(made);
    for (const id of ids) {
      expect(this.#knownIds.has(id), `${id} acknowledged before it was published`).toBe(true);
      this.#acknowledged.add(id);
    }
  }

  /** What was refused so far is gone for good: should the log ever show it, it was stored by half. */
  forgetRefused(): void {
    this.#attempts = new Map([...this.#attempts].filter(([id]) => this.#knownIds.has(id)));
  }

  /** Compares everything that the log hands out; what it has kept of unanswered appends is known from now on. */
  async check(
    bus: LogBus,
    tolerance: Tolerance = { corruption: false },
  ): Promise<{ missing: number }> {
    let missing = 0;
    for (const app of this.apps) missing += await this.#checkApp(bus, app, tolerance);
    for (const id of this.#acknowledged) expect(this.#knownIds.has(id)).toBe(true);
    this.#attempts = new Map();
    return { missing };
  }

  #make(app: number, chance: SeededChance): LogRecord {
    const id = `${app}/${this.#next++}`;
    const texts = Array.from(
      { length: 1 + chance.below(3) },
      (_, i) => `${id} ${i} ${'x'.repeat(chance.below(chance.percent(5) ? 9000 : 120))}`,
    );
    return linesRecord(app, texts, {
      receivedAtMs: Date.UTC(2026, 0, 1) + this.#next,
      requestKey: chance.bytes(16),
    });
  }

  #learn(stored: StoredRecord, isRecovered: boolean): void {
    const id = idOf(stored.record.frames);
    const attempt = this.#attempts.get(id);
    expect(attempt, `${id} was never written`).toBeDefined();
    expect(this.#knownIds.has(id), `${id} twice`).toBe(false);
    expect(stored.record.app).toBe(attempt?.app);
    expect(stored.record.frames.equals(attempt?.record.frames ?? Buffer.alloc(0))).toBe(true);
    const app: number = stored.record.app;
    const last = this.#known.findLast((known) => known.app === app);
    const next = last ? last.seq + last.lines : 0;
    // A record of the last, unanswered writes may be torn while one behind it is whole: a gap, which nobody was promised.
    if (isRecovered) expect(stored.appSeq, `number of ${id}`).toBeGreaterThanOrEqual(next);
    else expect(stored.appSeq, `number of ${id}`).toBe(next);
    expect(stored.previous?.offset ?? -1, `predecessor of ${id}`).toBe(last?.offset ?? -1);
    expect(stored.position.offset).toBeGreaterThan(last?.offset ?? -1);
    this.#knownIds.add(id);
    this.#known.push({
      id,
      app,
      frames: stored.record.frames,
      lines: stored.record.lines,
      offset: stored.position.offset,
      seq: stored.appSeq,
      previous: stored.previous?.offset ?? -1,
    });
  }

  async #checkApp(bus: LogBus, app: number, tolerance: Tolerance): Promise<number> {
    const { oldest, head } = await bus.bounds(bus.partitionOf(appId(app)), appId(app));
    const from = oldest.position.offset;
    const shown = await this.#readAll(bus, app, from);
    const expected = this.#known.filter((known) => known.app === app && known.offset >= from);
    let missing = 0;
    let i = 0;
    for (const known of expected) {
      const stored = shown[i];
      if (stored?.position.offset !== known.offset) {
        expect(tolerance.corruption, `${known.id} at ${known.offset} is missing`).toBe(true);
        missing++;
        continue;
      }
      i++;
      expect(idOf(stored.record.frames)).toBe(known.id);
      expect(stored.record.frames.equals(known.frames), `bytes of ${known.id}`).toBe(true);
      expect(stored.appSeq, `number of ${known.id}`).toBe(known.seq);
      if (!tolerance.corruption) {
        expect(stored.previous?.offset ?? -1, `predecessor of ${known.id} at ${known.offset}`).toBe(
          known.previous,
        );
      }
    }
    for (const stored of shown.slice(i)) this.#learn(stored, true);
    const last = this.#known.findLast((known) => known.app === app);
    if (!tolerance.corruption) {
      expect(head.appSeq, `head of app ${app}`).toBe(last ? last.seq + last.lines : 0);
      expect(head.previous?.offset ?? -1, `last of app ${app}`).toBe(last?.offset ?? -1);
      const first = this.#known.find((known) => known.app === app && known.offset >= from);
      expect(oldest.appSeq).toBe(first?.seq ?? head.appSeq);
      expect(await bus.count(appId(app), oldest.position, head.position)).toBe(
        head.appSeq - oldest.appSeq,
      );
    }
    return missing;
  }

  async #readAll(bus: LogBus, app: number, from: number): Promise<StoredRecord[]> {
    const records: StoredRecord[] = [];
    const partition = bus.partitionOf(appId(app));
    let at = { logId: bus.logId, partition, offset: from, line: 0 };
    for (let atHead = false; !atHead;) {
      const page = await bus.read(at, 2000, appId(app));
      records.push(...page.records);
      ({ atHead } = page);
      at = page.next.position;
    }
    return records;
  }
}

function idOf(frames: Buffer): string {
  return textsOf(frames)[0]?.split(' ')[0] ?? '';
}

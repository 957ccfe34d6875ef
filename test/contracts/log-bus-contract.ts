import { describe, expect, test } from 'vitest';
import type { LogBus, StoredRecord } from '../../src/bus/bus.ts';
import { appId } from '../../src/core/ids.ts';
import { linesRecord, textsOf } from '../support/records.ts';

export interface LogBusFixture {
  readonly bus: LogBus;
  close(): Promise<void>;
}

const one = appId(1);
const two = appId(2);

/** What every engine of the log must do. */
export function logBusContract(name: string, make: () => Promise<LogBusFixture>): void {
  describe(name, () => {
    const withBus = (run: (bus: LogBus) => Promise<void>) => async () => {
      const fixture = await make();
      try {
        await run(fixture.bus);
      } finally {
        await fixture.close();
      }
    };

    test(
      'hands out what was appended, live and by reading, with the same positions and numbers',
      withBus(async (bus) => {
        const live: StoredRecord[] = [];
        bus.subscribe({
          assigned: () => undefined,
          revoked: () => undefined,
          records: (_partition, records) => live.push(...records),
        });
        await bus.append([linesRecord(1, ['a', 'b'])]);
        await bus.append([linesRecord(2, ['x'])]);
        await bus.append([linesRecord(1, ['c'])]);
        const start = (await bus.bounds(bus.partitionOf(one))).oldest.position;
        const page = await bus.read(start, 1 << 20, one);
        const ofOne = live.filter((r) => r.record.app === one);
        expect(page.records.map((r) => r.position)).toEqual(ofOne.map((r) => r.position));
        expect(page.records.map((r) => r.appSeq)).toEqual([0, 2]);
        expect(ofOne.map((r) => r.previous)).toEqual([null, ofOne[0]?.position]);
        expect(page.records.flatMap((r) => textsOf(r.record.frames))).toEqual(['a', 'b', 'c']);
        expect(page.atHead).toBe(true);
        expect(page.next.appSeq).toBe(3);
        expect(page.next.previous).toEqual(ofOne[1]?.position);
      }),
    );

    test(
      'resolves an append only when readers can see it',
      withBus(async (bus) => {
        for (let i = 0; i < 20; i++) {
          await bus.append([linesRecord(1, [`line ${i}`])]);
          const { head } = await bus.bounds(bus.partitionOf(one), one);
          expect(head.appSeq).toBe(i + 1);
        }
      }),
    );

    test(
      'shows nothing of an append before it is durable: neither by bounds, nor by a page that ends at the head',
      withBus(async (bus) => {
        const live = new Set<number>();
        bus.subscribe({
          assigned: () => undefined,
          revoked: () => undefined,
          records: (_p, records) => records.forEach((r) => live.add(r.position.offset)),
        });
        const start = (await bus.bounds(bus.partitionOf(one))).oldest.position;
        const appends = Array.from({ length: 50 }, (_, i) =>
          bus.append([linesRecord(1, [`${i}`])]),
        );
        let isDone = false;
        void Promise.all(appends).then(() => (isDone = true));
        while (!isDone) {
          const { head } = await bus.bounds(bus.partitionOf(one), one);
          expect(head.position.offset).toBeLessThanOrEqual(live.size);
          const page = await bus.read(start, 1 << 20, one);
          expect(page.next.appSeq).toBe(page.records.length);
          expect(page.next.position.offset).toBe(page.records.length);
          await new Promise((resolve) => setImmediate(resolve));
        }
      }),
    );

    test(
      'keeps the order of concurrent appends the same for every reader',
      withBus(async (bus) => {
        const live: string[] = [];
        bus.subscribe({
          assigned: () => undefined,
          revoked: () => undefined,
          records: (_p, records) => live.push(...records.flatMap((r) => textsOf(r.record.frames))),
        });
        await Promise.all(
          Array.from({ length: 200 }, (_, i) => bus.append([linesRecord(1, [`${i}a`, `${i}b`])])),
        );
        const start = (await bus.bounds(bus.partitionOf(one))).oldest.position;
        const read: string[] = [];
        for (let at = start; ;) {
          const page = await bus.read(at, 500, one);
          read.push(...page.records.flatMap((r) => textsOf(r.record.frames)));
          at = page.next.position;
          if (page.atHead) break;
        }
        expect(read).toEqual(live);
        expect(new Set(read).size).toBe(400);
      }),
    );

    test(
      'reads on where a page ended, without gap or repeat, between other apps',
      withBus(async (bus) => {
        for (let i = 0; i < 30; i++) await bus.append([linesRecord(1 + (i % 2), [`${i}`])]);
        let at = (await bus.bounds(bus.partitionOf(two))).oldest.position;
        const seqs: number[] = [];
        for (let atHead = false; !atHead;) {
          const page = await bus.read(at, 1, two);
          expect(page.from.position).toEqual(at);
          seqs.push(...page.records.map((r) => r.appSeq));
          ({ atHead } = page);
          at = page.next.position;
        }
        expect(seqs).toEqual(Array.from({ length: 15 }, (_, i) => i));
      }),
    );

    test(
      'reads all apps of a partition in order when no app is asked for',
      withBus(async (bus) => {
        for (let i = 0; i < 10; i++) await bus.append([linesRecord(1, [`${i}`])]);
        const partition = bus.partitionOf(one);
        const page = await bus.read((await bus.bounds(partition)).oldest.position, 1 << 20);
        expect(page.records.map((r) => textsOf(r.record.frames)[0])).toEqual([...'0123456789']);
        expect(page.records.map((r) => r.previous?.offset ?? -1)).toEqual([
          -1, 0, 1, 2, 3, 4, 5, 6, 7, 8,
        ]);
      }),
    );

    test(
      'finds a place by lines back, by time, and counts lines between places',
      withBus(async (bus) => {
        const t = Date.UTC(2026, 0, 1);
        for (let i = 0; i < 10; i++) {
          await bus.append([
            linesRecord(1, [`${i}.0`, `${i}.1`, `${i}.2`], { receivedAtMs: t + i }),
          ]);
          await bus.append([linesRecord(2, ['other'], { receivedAtMs: t + i })]);
        }
        const { head, oldest } = await bus.bounds(bus.partitionOf(one), one);
        for (const linesBack of [1, 2, 3, 4, 17, 29, 30]) {
          const at = await bus.seek(one, { linesBack });
          expect(await bus.count(one, at, head.position), `${linesBack} back`).toBe(linesBack);
        }
        expect(await bus.count(one, await bus.seek(one, { linesBack: 1000 }), head.position)).toBe(
          30,
        );
        expect(await bus.seek(one, { linesBack: 0 })).toEqual(head.position);
        expect(await bus.count(one, await bus.seek(one, { since: t + 7 }), head.position)).toBe(9);
        expect(await bus.count(one, await bus.seek(one, { since: t + 100 }), head.position)).toBe(
          0,
        );
        expect(await bus.count(one, oldest.position, head.position)).toBe(30);
      }),
    );

    test(
      'starts at the oldest line when asked for another log, or for what is beyond the head',
      withBus(async (bus) => {
        await bus.append([linesRecord(1, ['a'])]);
        const { oldest, head } = await bus.bounds(bus.partitionOf(one), one);
        const foreign = { ...head.position, logId: '0123456789abcdef' };
        const beyond = { ...head.position, offset: head.position.offset + 5 };
        for (const at of [foreign, beyond]) {
          const page = await bus.read(at, 1 << 20, one);
          expect(page.from.position).toEqual(oldest.position);
          expect(page.records).toHaveLength(1);
        }
      }),
    );

    test(
      'stores records without lines: they have a position and change no numbers',
      withBus(async (bus) => {
        await bus.append([linesRecord(1, ['a'])]);
        await bus.append([linesRecord(1, [], { kind: 'empty', rejected: { rate_limited: 7 } })]);
        await bus.append([linesRecord(1, ['b'])]);
        const start = (await bus.bounds(bus.partitionOf(one))).oldest.position;
        const { records } = await bus.read(start, 1 << 20, one);
        expect(records.map((r) => [r.record.kind, r.appSeq])).toEqual([
          ['lines', 0],
          ['empty', 1],
          ['lines', 1],
        ]);
        expect(records[1]?.record.rejected).toEqual({ rate_limited: 7 });
      }),
    );

    test(
      'keeps the last checkpoint entry of each key, and forgets a key set to null',
      withBus(async (bus) => {
        const { checkpoints } = bus;
        await checkpoints.append(
          0,
          1,
          new Map([
            ['drain:1', { n: 1 }],
            ['drain:2', { n: 2 }],
          ]),
        );
        await checkpoints.append(
          0,
          1,
          new Map([
            ['drain:1', { n: 3 }],
            ['drain:2', null],
          ]),
        );
        await checkpoints.sync();
        const entries = await checkpoints.load(0);
        expect(entries.get('drain:1')).toEqual({ n: 3 });
        expect(entries.has('drain:2')).toBe(false);
      }),
    );

    test(
      'hands nothing out to a paused or closed subscription',
      withBus(async (bus) => {
        const seen: string[] = [];
        const partition = bus.partitionOf(one);
        const subscription = bus.subscribe({
          assigned: () => undefined,
          revoked: () => undefined,
          records: (_p, records) => seen.push(...records.flatMap((r) => textsOf(r.record.frames))),
        });
        await bus.append([linesRecord(1, ['a'])]);
        subscription.pause(partition);
        await bus.append([linesRecord(1, ['b'])]);
        subscription.resume(partition);
        await bus.append([linesRecord(1, ['c'])]);
        subscription.close();
        await bus.append([linesRecord(1, ['d'])]);
        expect(seen).toEqual(['a', 'c']);
      }),
    );
  });
}

import { expect, test } from 'vitest';
import { ReadScheduler } from '../../../src/bus/embedded/read-scheduler.ts';
import { Segment } from '../../../src/bus/embedded/segment.ts';
import type { StorageFile } from '../../../src/bus/embedded/storage.ts';
import { appId } from '../../../src/core/ids.ts';
import { settle } from '../../support/fake-clock.ts';

const kib = 1024;

/** A file whose reads wait until they are let go. */
class GatedFile {
  readonly reads: { at: number; bytes: number }[] = [];
  failure: Error | undefined;
  isOpen = false;
  readonly #bytes: Buffer;
  readonly #waiting: (() => void)[] = [];

  constructor(bytes: Buffer) {
    this.#bytes = bytes;
  }

  get waiting(): number {
    return this.#waiting.length;
  }

  async read(into: Buffer, at: number): Promise<number> {
    this.reads.push({ at, bytes: into.length });
    if (this.isOpen) await new Promise((resolve) => setImmediate(resolve));
    else await new Promise<void>((go) => this.#waiting.push(go));
    if (this.failure) throw this.failure;
    return this.#bytes.copy(into, 0, at);
  }

  size(): Promise<number> {
    return Promise.resolve(this.#bytes.length);
  }

  /** Lets the oldest read go on. */
  async step(): Promise<void> {
    this.#waiting.shift()?.();
    await settle();
  }
}

function segmentOf(bytes: Buffer): { segment: Segment; file: GatedFile } {
  const file = new GatedFile(bytes);
  const place = { base: 0, path: 'log/0/0.log', salt: 1 };
  return { segment: new Segment(place, file as unknown as StorageFile, bytes.length), file };
}

const schedulerOf = (readsMax: number): ReadScheduler =>
  new ReadScheduler({ readsMax, blockCacheBytesMax: 1024 * kib });

const bytes = Buffer.from(
  Array.from({ length: 4096 * kib }, (_, i) => ((i >> 8) + (i >> 14) * 37) & 0xff),
);

test('so many reads at a time, tasks as well, and never more', async () => {
  const { segment, file } = segmentOf(bytes);
  const scheduler = schedulerOf(2);
  let tasks = 0;
  for (let app = 1; app <= 5; app++) {
    void scheduler.fetch(appId(app), segment, [{ fileAt: app * 100 * kib, bytes: 10 }]);
    void scheduler.run(appId(app), async () => {
      tasks++;
      await file.read(Buffer.alloc(1), 0);
      return { value: undefined, bytes: 1 };
    });
  }
  for (let step = 0; step < 10; step++) {
    await settle();
    expect(file.waiting).toBeLessThanOrEqual(2);
    expect(file.waiting).toBeGreaterThan(0);
    await file.step();
  }
  expect(tasks).toBe(5);
  expect(file.reads).toHaveLength(10);
});

test('an app that asks for much does not keep one that asks for little waiting', async () => {
  const { segment, file } = segmentOf(bytes);
  const scheduler = schedulerOf(1);
  const [greedy, modest] = [appId(1), appId(2)];
  const far = (from: number, count: number, step: number) =>
    Array.from({ length: count }, (_, i) => ({ fileAt: from + i * step, bytes: 40 * kib }));
  // Readers of one app, with much to read each; each of their records is a read.
  for (let i = 0; i < 8; i++)
    void scheduler.fetch(greedy, segment, far(i * 50 * kib, 8, 450 * kib));
  await settle();
  let isDone = false;
  void scheduler
    .fetch(modest, segment, [{ fileAt: 4000 * kib, bytes: 10 }])
    .then(() => (isDone = true));
  let steps = 0;
  for (; !isDone && steps < 60; steps++) await file.step();
  // What is under way and two quanta, of sixty-four reads.
  expect(steps).toBeLessThanOrEqual(6);
});

test('an app with one reader has its share beside one with many, also where each record is a read', async () => {
  const { segment, file } = segmentOf(bytes);
  const scheduler = new ReadScheduler({ readsMax: 2, blockCacheBytesMax: 0 });
  file.isOpen = true;
  const scattered = (from: number) =>
    Array.from({ length: 80 }, (_, i) => ({ fileAt: from + i * 50 * kib, bytes: 800 }));
  let isDone = false;
  const greedy = async (from: number): Promise<void> => {
    while (!isDone) await scheduler.fetch(appId(1), segment, scattered(from));
  };
  const others = [1, 2, 3, 4, 5].map((i) => greedy(i * 7 * kib));
  await settle();
  const before = file.reads.length;
  await scheduler.fetch(appId(2), segment, scattered(0));
  isDone = true;
  // Eighty are its own; what is under way, and a quantum for each round, come on top of twice that.
  expect(file.reads.length - before).toBeLessThan(500);
  await Promise.all(others);
});

test('readers of one place share one read, and each gets its own bytes', async () => {
  const { segment, file } = segmentOf(bytes);
  const scheduler = schedulerOf(1);
  const hold = scheduler.fetch(appId(99), segment, [{ fileAt: 3000 * kib, bytes: 1 }]);
  await settle();
  const wanted = [1, 2, 3].map((app) =>
    Array.from({ length: 20 }, (_, i) => ({ fileAt: (i * 3 + app) * kib, bytes: kib })),
  );
  const reading = wanted.map((extents, app) => scheduler.fetch(appId(app + 1), segment, extents));
  file.isOpen = true;
  await file.step();
  await hold;
  const got = await Promise.all(reading);
  for (const [i, records] of got.entries()) {
    const expected = wanted[i]?.map(({ fileAt }) => bytes.subarray(fileAt, fileAt + kib)) ?? [];
    expect(Buffer.concat(records).equals(Buffer.concat(expected))).toBe(true);
  }
  expect(file.reads).toHaveLength(2);
});

test('what is handed out keeps no more memory than itself', async () => {
  const { segment, file } = segmentOf(bytes);
  file.isOpen = true;
  const [record] = await schedulerOf(1).fetch(appId(1), segment, [
    { fileAt: 10 * kib, bytes: 20 * kib },
  ]);
  expect(record?.buffer.byteLength).toBe(20 * kib);
});

test('reads are whole blocks, and what lies in them comes without another read', async () => {
  const { segment, file } = segmentOf(bytes);
  const scheduler = schedulerOf(1);
  file.isOpen = true;
  await scheduler.fetch(appId(1), segment, [{ fileAt: 10 * kib, bytes: 15 * kib }]);
  expect(file.reads).toEqual([{ at: 0, bytes: 32 * kib }]);
  const [first, last] = await scheduler.fetch(appId(2), segment, [
    { fileAt: 0, bytes: kib },
    { fileAt: 31 * kib, bytes: kib },
  ]);
  expect(file.reads).toHaveLength(1);
  expect(first?.equals(bytes.subarray(0, kib))).toBe(true);
  expect(last?.equals(bytes.subarray(31 * kib, 32 * kib))).toBe(true);
});

test('a record longer than a block is read alone', async () => {
  const { segment, file } = segmentOf(bytes);
  file.isOpen = true;
  const [record] = await schedulerOf(1).fetch(appId(1), segment, [
    { fileAt: 10 * kib, bytes: 900 * kib },
  ]);
  expect(file.reads).toEqual([{ at: 10 * kib, bytes: 900 * kib }]);
  expect(record?.equals(bytes.subarray(10 * kib, 910 * kib))).toBe(true);
});

test('of a segment that grows, what was not durable is read when it is', async () => {
  const { segment, file } = segmentOf(bytes);
  segment.bytes = 2 * kib;
  const scheduler = schedulerOf(1);
  file.isOpen = true;
  await scheduler.fetch(appId(1), segment, [{ fileAt: kib, bytes: kib }]);
  segment.bytes = 4 * kib;
  for (let time = 0; time < 2; time++) {
    const [record] = await scheduler.fetch(appId(1), segment, [{ fileAt: 2 * kib, bytes: kib }]);
    expect(record?.equals(bytes.subarray(2 * kib, 3 * kib))).toBe(true);
  }
  expect(file.reads).toHaveLength(2);
});

test('what the disk could not give is asked for again', async () => {
  const { segment, file } = segmentOf(bytes);
  const scheduler = schedulerOf(1);
  file.isOpen = true;
  file.failure = Object.assign(new Error('EIO'), { code: 'EIO' });
  const [zeros] = await scheduler.fetch(appId(1), segment, [{ fileAt: 1000 * kib, bytes: kib }]);
  expect(zeros?.equals(Buffer.alloc(kib))).toBe(true);
  file.failure = undefined;
  const [record] = await scheduler.fetch(appId(1), segment, [{ fileAt: 1000 * kib, bytes: kib }]);
  expect(record?.equals(bytes.subarray(1000 * kib, 1001 * kib))).toBe(true);
});

test('many that find theirs in the cache do not get it in one turn of the event loop', async () => {
  const { segment, file } = segmentOf(bytes);
  const scheduler = schedulerOf(1);
  let given = 0;
  for (let app = 1; app <= 32; app++) {
    const extents = [{ fileAt: app * kib, bytes: 16 * kib }];
    void scheduler.fetch(appId(app), segment, extents).then(() => given++);
  }
  file.isOpen = true;
  await new Promise(setImmediate);
  void file.step();
  let turns = 0;
  for (; given < 32 && turns < 100; turns++) await new Promise(setImmediate);
  expect(given).toBe(32);
  // Four of them are 64 KiB.
  expect(turns).toBeGreaterThanOrEqual(6);
  expect(file.reads.length).toBeLessThanOrEqual(2);
});

test('a read that fails fails for those who wait for it, and nobody else', async () => {
  const { segment, file } = segmentOf(bytes);
  const scheduler = schedulerOf(1);
  const one = scheduler.fetch(appId(1), segment, [{ fileAt: 0, bytes: 10 }]);
  const other = scheduler.fetch(appId(2), segment, [{ fileAt: 2000 * kib, bytes: 10 }]);
  file.failure = new Error('gone');
  await Promise.all([expect(one).rejects.toThrow('gone'), file.step()]);
  file.failure = undefined;
  await file.step();
  expect(await other).toHaveLength(1);
});

test('fewer bytes where the file ends', async () => {
  const { segment, file } = segmentOf(bytes.subarray(0, 100));
  const scheduler = schedulerOf(1);
  file.isOpen = true;
  const [whole, cut] = await scheduler.fetch(appId(1), segment, [
    { fileAt: 0, bytes: 60 },
    { fileAt: 60, bytes: 60 },
  ]);
  expect([whole?.length, cut?.length]).toEqual([60, 40]);
});

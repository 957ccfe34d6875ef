import { expect, test } from 'vitest';
import type { EmbeddedLog } from '../../../src/bus/embedded/embedded-log.ts';
import { NodeStorage } from '../../../src/bus/embedded/node-storage.ts';
import { appId } from '../../../src/core/ids.ts';
import { openEmbedded, temporaryDirectory } from '../../support/embedded.ts';
import { FailingStorage, type StorageStep } from '../../support/failing-storage.ts';
import { linesRecord, textsOf } from '../../support/records.ts';

const one = appId(1);
const segmentBytes = 900;

/** Record by record, so that each is found by its position. */
async function textsIn(bus: EmbeddedLog): Promise<string[]> {
  const texts: string[] = [];
  let at = (await bus.bounds(0)).oldest.position;
  for (let atHead = false; !atHead;) {
    const page = await bus.read(at, 1, one);
    texts.push(...page.records.flatMap((r) => textsOf(r.record.frames)));
    ({ atHead } = page);
    at = page.next.position;
  }
  return texts;
}

/** Fails `times` steps of these kinds from the `nth` on. */
function failing(storage: FailingStorage, code: string, nth: number, times: number): void {
  const steps: readonly StorageStep[] = ['write', 'sync', 'open'];
  let seen = 0;
  storage.fault = (step) => {
    if (!steps.includes(step)) return undefined;
    seen++;
    return seen > nth && seen <= nth + times ? code : undefined;
  };
}

const until = async (bus: EmbeddedLog): Promise<void> => {
  for (let i = 0; i < 100 && bus.problem() !== undefined; i++) {
    await new Promise((resolve) => setTimeout(resolve, 20));
  }
};

async function appendAll(bus: EmbeddedLog, from: number, to: number): Promise<string[]> {
  const acked: string[] = [];
  for (let n = from; n < to; n++) {
    await bus.append([linesRecord(1, [`${n}`])]).then(
      () => acked.push(`${n}`),
      () => undefined,
    );
    await bus.checkpoints.append(0, 1, new Map([['drain:1', { n }]])).catch(() => undefined);
  }
  return acked;
}

test.each([1, 3])(
  'a disk that is full at any write, %d times in a row: what was acknowledged is there, nothing else, numbered without holes',
  { timeout: 60_000 },
  async (times) => {
    for (let nth = 0; nth < 60; nth += 2) {
      await using directory = await temporaryDirectory();
      const storage = new FailingStorage(new NodeStorage(directory.path));
      const bus = await openEmbedded(directory.path, { segmentBytes }, { storage });
      failing(storage, 'ENOSPC', nth, times);
      const acked = await appendAll(bus, 0, 20);
      storage.fault = () => undefined;
      const isFull = bus.problem() !== undefined;
      expect(await textsIn(bus)).toEqual(acked);
      // As after kill -9: another one opens what is there.
      const next = await openEmbedded(directory.path, { segmentBytes });
      expect(await textsIn(next), `nth ${nth}`).toEqual(acked);
      acked.push(...(await appendAll(next, 20, 25)));
      expect((await next.bounds(0, one)).head.appSeq).toBe(acked.length);
      await next.close();
      if (isFull && nth === 4) {
        await until(bus);
        expect(bus.problem()).toBeUndefined();
      }
      await bus.close().catch(() => undefined);
    }
  },
);

test('a segment that could not be ended goes on, and a start does not take the unfinished successor for one', async () => {
  await using directory = await temporaryDirectory();
  const storage = new FailingStorage(new NodeStorage(directory.path));
  const bus = await openEmbedded(directory.path, { segmentBytes }, { storage });
  const active = '000000000000000.log';
  // Neither can it be made whole nor taken away again.
  storage.fault = (step, path) =>
    path.endsWith('.log.tmp') && !path.includes(active) && (step === 'unlink' || step === 'sync')
      ? 'ENOSPC'
      : undefined;
  const acked = await appendAll(bus, 0, 20);
  expect(acked).toHaveLength(20);
  storage.fault = () => undefined;
  const next = await openEmbedded(directory.path, { segmentBytes });
  expect(await textsIn(next)).toEqual(acked);
  acked.push(...(await appendAll(next, 20, 40)));
  expect(await textsIn(next)).toEqual(acked);
  await next.close();
  const again = await openEmbedded(directory.path, { segmentBytes });
  expect(await textsIn(again)).toEqual(acked);
  expect((await again.bounds(0, one)).head.appSeq).toBe(40);
  await again.close();
  await bus.close().catch(() => undefined);
});

test('a successor whose name cannot be made durable takes nothing until it is', async () => {
  await using directory = await temporaryDirectory();
  const storage = new FailingStorage(new NodeStorage(directory.path));
  const fatal: unknown[] = [];
  const bus = await openEmbedded(
    directory.path,
    { segmentBytes },
    { storage, onFatal: (error) => fatal.push(error) },
  );
  // The first such sync of a seal is that of the index.
  let syncs = 0;
  storage.fault = (step, path) =>
    step === 'sync' && path === 'log/0' && ++syncs > 1 ? 'ENOSPC' : undefined;
  const acked = await appendAll(bus, 0, 20);
  expect(acked.length).toBeLessThan(20);
  expect(bus.problem()).toBe('no space left for the log');
  expect(await textsIn(bus)).toEqual(acked);
  storage.fault = () => undefined;
  await until(bus);
  acked.push(...(await appendAll(bus, 20, 40)));
  expect(acked).toContain('39');
  expect(await textsIn(bus)).toEqual(acked);
  expect(fatal).toEqual([]);
  await bus.close();
  expect(storage.filesOpen).toBe(0);
  const next = await openEmbedded(directory.path, { segmentBytes });
  expect(await textsIn(next)).toEqual(acked);
  await next.close();
});

test('a segment whose index cannot be written is read all the same', async () => {
  await using directory = await temporaryDirectory();
  const storage = new FailingStorage(new NodeStorage(directory.path));
  const bus = await openEmbedded(directory.path, { segmentBytes }, { storage });
  storage.fault = (step, path) =>
    path.includes('.idx') && step === 'write' ? 'ENOSPC' : undefined;
  const acked = await appendAll(bus, 0, 40);
  expect(acked).toHaveLength(40);
  expect(await textsIn(bus)).toEqual(acked);
  const next = await openEmbedded(directory.path, { segmentBytes }, { storage });
  expect(await textsIn(next)).toEqual(acked);
  await next.close();
  await bus.close();
});

test('a device that fails at any write or sync: the process is told to end, or the opening fails; then all is there', async () => {
  let ended = 0;
  for (let nth = 0; nth < 40; nth += 2) {
    await using directory = await temporaryDirectory();
    const storage = new FailingStorage(new NodeStorage(directory.path));
    failing(storage, 'EIO', nth, 1000);
    const fatal: unknown[] = [];
    const bus = await openEmbedded(
      directory.path,
      { segmentBytes },
      { storage, onFatal: (error) => fatal.push(error) },
    ).catch((error: unknown) => error as Error);
    let acked: string[] = [];
    if (bus instanceof Error) expect(bus.message).toContain('EIO');
    else {
      acked = await appendAll(bus, 0, 20);
      if (acked.length < 20) {
        expect(fatal[0]).toMatchObject({ code: 'EIO' });
        ended++;
      }
      await bus.close().catch(() => undefined);
    }
    const next = await openEmbedded(directory.path, { segmentBytes });
    const found = await textsIn(next);
    expect(found.slice(0, acked.length)).toEqual(acked);
    await next.close();
  }
  expect(ended).toBeGreaterThan(5);
});

test('a process without a free descriptor goes on when it has one: that is no failure of the disk', async () => {
  for (let nth = 0; nth < 24; nth++) {
    await using directory = await temporaryDirectory();
    const storage = new FailingStorage(new NodeStorage(directory.path));
    const fatal: unknown[] = [];
    const bus = await openEmbedded(
      directory.path,
      { segmentBytes, checkpointCompactBytesMin: 300 },
      { storage, onFatal: (error) => fatal.push(error) },
    );
    // A directory is opened for each of its syncs.
    let seen = 0;
    storage.fault = (step, path) => {
      const needsOne = step === 'open' || (step === 'sync' && !/\.\w+$/.test(path));
      return needsOne && ++seen > nth && seen <= nth + 3 ? 'EMFILE' : undefined;
    };
    const acked = await appendAll(bus, 0, 20);
    expect(fatal, `nth ${nth}`).toEqual([]);
    await until(bus);
    acked.push(...(await appendAll(bus, 20, 40)));
    expect(acked).toContain('39');
    expect(await textsIn(bus)).toEqual(acked);
    expect((await bus.checkpoints.load(0)).get('drain:1')).toEqual({ n: 39 });
    await bus.close();
    const next = await openEmbedded(directory.path, { segmentBytes });
    expect(await textsIn(next), `nth ${nth}`).toEqual(acked);
    expect((await next.checkpoints.load(0)).get('drain:1')).toEqual({ n: 39 });
    await next.close();
  }
});

test('an opening that fails holds no file and can be tried again', async () => {
  await using directory = await temporaryDirectory();
  const first = await openEmbedded(directory.path, { segmentBytes });
  const acked = await appendAll(first, 0, 30);
  for (const code of ['ENOSPC', 'EIO']) {
    for (let nth = 0; nth < 12; nth++) {
      const storage = new FailingStorage(new NodeStorage(directory.path));
      failing(storage, code, nth, Infinity);
      const bus = await openEmbedded(directory.path, { segmentBytes }, { storage }).catch(
        (error: unknown) => error,
      );
      if (bus instanceof Error) expect(storage.filesOpen, `${code} ${nth}`).toBe(0);
      else await (bus as EmbeddedLog).close().catch(() => undefined);
    }
  }
  const next = await openEmbedded(directory.path, { segmentBytes });
  expect(await textsIn(next)).toEqual(acked);
  await next.close();
  await first.close();
});

test('checkpoints that found no room are written by the next sync that finds some', async () => {
  await using directory = await temporaryDirectory();
  const storage = new FailingStorage(new NodeStorage(directory.path));
  const bus = await openEmbedded(directory.path, {}, { storage });
  storage.fault = (step) => (step === 'write' ? 'ENOSPC' : undefined);
  const written = bus.checkpoints.append(0, 1, new Map([['drain:1', { cursor: 5 }]]));
  await expect(written).rejects.toMatchObject({ code: 'ENOSPC' });
  await expect(bus.checkpoints.sync()).rejects.toMatchObject({ code: 'ENOSPC' });
  storage.fault = () => undefined;
  await bus.checkpoints.sync();
  const next = await openEmbedded(directory.path);
  expect((await next.checkpoints.load(0)).get('drain:1')).toEqual({ cursor: 5 });
  await next.close();
  await bus.close();
});

class ShrinkingDisk extends NodeStorage {
  usedBytes = (): number => 0;

  override freeBytes(): Promise<number> {
    return Promise.resolve((24 << 20) - this.usedBytes());
  }
}

test('a start on a disk that one long segment has filled makes room, when less is to be kept and segments are shorter', async () => {
  await using directory = await temporaryDirectory();
  const storage = new ShrinkingDisk(directory.path);
  const first = await openEmbedded(directory.path, { freeBytesMin: 0 }, { storage });
  const record = linesRecord(1, ['x'.repeat(200_000)]);
  for (let i = 0; i < 50; i++) await first.append([record]);
  expect(first.bytes).toBeGreaterThan(9 << 20);
  storage.usedBytes = () => first.bytes;
  await first.close();
  const options = { segmentBytes: 1 << 20, retentionBytesMax: 2 << 20 };
  const bus = await openEmbedded(directory.path, options, { storage });
  storage.usedBytes = () => bus.bytes;
  await until(bus);
  expect(bus.problem()).toBeUndefined();
  expect(bus.bytes).toBeLessThan(1 << 20);
  await bus.append([record]);
  expect((await bus.bounds(0, one)).head.appSeq).toBe(51);
  await bus.close();
});

test('a flood does not use up in a second what is left to checkpoints, whatever waits to be written', async () => {
  await using directory = await temporaryDirectory();
  const storage = new ShrinkingDisk(directory.path);
  const bus = await openEmbedded(
    directory.path,
    { freeBytesMin: 16 << 20, commitBytesMax: 2 << 20 },
    { storage },
  );
  storage.usedBytes = () => bus.bytes;
  const record = linesRecord(1, ['x'.repeat(200_000)]);
  const appends = Array.from({ length: 150 }, () => bus.append([record]));
  const answers = await Promise.allSettled(appends);
  expect(bus.problem()).toBe('no space left for the log');
  expect(answers.filter(({ status }) => status === 'rejected').length).toBeGreaterThan(50);
  expect(bus.bytes).toBeGreaterThan(8 << 20);
  expect(bus.bytes).toBeLessThan(11 << 20);
  await bus.close();
});

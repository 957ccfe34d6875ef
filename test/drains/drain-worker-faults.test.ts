import { expect, test } from 'vitest';
import { DependencyError } from '../../src/core/errors.ts';
import { auditBooks } from '../../src/drains/drain-audit.ts';
import { newBooks } from '../../src/drains/drain-books.ts';
import { MemoryLog } from '../support/memory-log.ts';
import { linesRecord, textsOf } from '../support/records.ts';
import { WorkerKit, workerDefaults } from '../support/worker-kit.ts';

const { app } = workerDefaults;
const noSpace = new DependencyError('BUS_UNAVAILABLE', 'no space left for the log');

async function appendEach(kit: WorkerKit, texts: readonly string[]): Promise<void> {
  for (const text of texts) await kit.bus.append([linesRecord(1, [text])]);
}

async function imbalance(kit: WorkerKit): Promise<number> {
  return (await auditBooks(kit.bus, app, kit.worker.books)).imbalanceMessages;
}

async function noticesIn(kit: WorkerKit): Promise<string[]> {
  const start = { logId: kit.bus.logId, partition: 0, offset: 0, line: 0 };
  const { records } = await kit.bus.read(start, 1 << 20, app);
  return records.flatMap(({ record }) => (record.kind === 'notice' ? textsOf(record.frames) : []));
}

test('without room for checkpoints the lines go on, in order, each once', async () => {
  const kit = new WorkerKit({ batchMsMax: 0 });
  kit.worker.start();
  await appendEach(kit, ['a']);
  await kit.clock.advance(0);
  kit.refuseCheckpoints = Object.assign(new Error('full'), { code: 'ENOSPC' });
  await appendEach(kit, ['b', 'c']);
  await kit.clock.advance(10_000);
  kit.refuseCheckpoints = undefined;
  await appendEach(kit, ['d']);
  await kit.clock.advance(10_000);
  expect(kit.drain.texts).toEqual(['a', 'b', 'c', 'd']);
  expect(await imbalance(kit)).toBe(0);
  expect(kit.saved).toEqual(kit.worker.books);
});

test('a turn that fails half-way loses nothing: the same batch comes again', async () => {
  const kit = new WorkerKit({ batchMsMax: 0 });
  let failures = 2;
  kit.drain.answer = () => {
    if (failures-- > 0) throw new Error('a bug');
    return { kind: 'delivered', rejected: 0 };
  };
  kit.worker.start();
  await kit.bus.append([linesRecord(1, ['a', 'b'])]);
  await kit.clock.advance(0);
  await appendEach(kit, ['c']);
  await kit.clock.advance(60_000);
  expect(kit.drain.texts).toEqual(['a', 'b', 'c']);
  expect(new Set(kit.drain.batches.slice(0, 3).map(({ id }) => id)).size).toBe(1);
  expect(await imbalance(kit)).toBe(0);
});

test('a stream whose turn fails half-way does not send what it has sent', async () => {
  const kit = new WorkerKit({ batchMsMax: 0 }, { isStream: true });
  kit.drain.answer = () => ({ kind: 'written' });
  kit.worker.start();
  await appendEach(kit, ['a']);
  await kit.clock.advance(0);
  const read = kit.bus.read.bind(kit.bus);
  kit.bus.read = () => Promise.reject(noSpace);
  kit.worker.offer(await recordAfterHole(kit, read));
  await kit.clock.advance(100);
  kit.bus.read = read;
  await appendEach(kit, ['b']);
  await kit.clock.advance(60_000);
  expect(kit.drain.texts).toEqual(['a', 'b']);
});

test('a notice that cannot be written keeps no line waiting, and is written once when it can', async () => {
  const kit = new WorkerKit({ batchMsMax: 0 });
  await appendEach(kit, ['a', 'b', 'c', 'd']);
  kit.bus.dropBefore(0, 2);
  kit.bus.refuse = noSpace;
  kit.worker.start();
  await kit.clock.advance(30_000);
  expect(kit.drain.texts.slice(1)).toEqual(['c', 'd']);
  expect(await noticesIn(kit)).toEqual([]);
  kit.bus.refuse = undefined;
  await kit.clock.advance(30_000);
  expect(await noticesIn(kit)).toEqual([kit.drain.texts[0]]);
  expect(kit.drain.texts[0]).toContain('2 messages dropped');
  expect(await imbalance(kit)).toBe(0);
});

test('what retention has taken from a drain that does not know it yet is backlog, and the books balance', async () => {
  const kit = new WorkerKit({ batchMsMax: 0, batchLinesMax: 1, batchBytesMax: 1 });
  kit.drain.answer = () => ({ kind: 'retry', reason: 'connect' });
  kit.worker.start();
  await appendEach(kit, ['a', 'b', 'c', 'd']);
  await kit.clock.advance(0);
  kit.bus.dropBefore(0, 3);
  expect(await auditBooks(kit.bus, app, kit.worker.books)).toEqual({
    backlogMessages: 4,
    imbalanceMessages: 0,
  });
});

test('retention that goes on during an audit does not unbalance it', async () => {
  const kit = new WorkerKit();
  await appendEach(kit, ['a', 'b', 'c', 'd']);
  const count = kit.bus.count.bind(kit.bus);
  let oldest = 0;
  kit.bus.count = (...range) => {
    if (oldest < 3) kit.bus.dropBefore(0, ++oldest);
    return count(...range);
  };
  expect(await imbalance(kit)).toBe(0);
});

test('a disabled drain that finds another log follows its head with new books', async () => {
  const bus = new MemoryLog();
  const position = { logId: '0123456789abcdef', partition: 0, offset: 9, line: 0 };
  const books = { ...newBooks({ position, seq: 40 }, 0), isDisabled: true };
  await bus.append([linesRecord(1, ['a'])]);
  const kit = new WorkerKit({}, { bus, books });
  expect(await imbalance(kit)).toBe(0);
  kit.worker.start();
  await kit.clock.advance(0);
  await appendEach(kit, ['b', 'c']);
  await kit.clock.advance(0);
  expect(kit.worker.books.counts).toMatchObject({ delivered: 0, dropped: 2 });
  expect(kit.worker.condition.state).toBe('disabled');
  expect(await imbalance(kit)).toBe(0);
});

/** A live record whose predecessor the worker has not seen. */
async function recordAfterHole(kit: WorkerKit, read: WorkerKit['bus']['read']) {
  const start = { logId: kit.bus.logId, partition: 0, offset: 0, line: 0 };
  const last = (await read(start, 1 << 20, app)).records.at(-1);
  if (!last) throw new Error('no record');
  const at = (offset: number) => ({ ...last.position, offset });
  return {
    ...last,
    position: at(last.position.offset + 2),
    previous: at(last.position.offset + 1),
  };
}

test('a notice is not written before its entry is, however often there is no room for that', async () => {
  const kit = new WorkerKit({ batchMsMax: 0 });
  kit.drain.answer = () => ({ kind: 'refused', status: 422 });
  kit.refuseCheckpoints = Object.assign(new Error('full'), { code: 'ENOSPC' });
  kit.worker.start();
  await appendEach(kit, ['a', 'b']);
  await kit.clock.advance(60_000);
  expect(await noticesIn(kit)).toEqual([]);
  kit.refuseCheckpoints = undefined;
  await kit.clock.advance(60_000);
  expect(await noticesIn(kit)).toHaveLength(1);
  expect(kit.saved?.notices).toEqual([]);
});

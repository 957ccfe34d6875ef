import { expect, test } from 'vitest';
import { drainId } from '../../src/core/ids.ts';
import { auditBooks } from '../../src/drains/drain-audit.ts';
import { accountedFor } from '../../src/drains/drain-books.ts';
import { linesRecord, textsOf } from '../support/records.ts';
import { WorkerKit, workerDefaults } from '../support/worker-kit.ts';

const numbers = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `${from + i}`);

async function appendEach(kit: WorkerKit, texts: readonly string[]): Promise<void> {
  for (const text of texts) await kit.bus.append([linesRecord(1, [text])]);
}

async function noticesIn(kit: WorkerKit): Promise<string[]> {
  const page = await kit.bus.read(
    { logId: kit.bus.logId, partition: 0, offset: 0, line: 0 },
    1 << 20,
    workerDefaults.app,
  );
  return page.records
    .filter((r) => r.record.kind === 'notice')
    .flatMap((r) => textsOf(r.record.frames));
}

async function expectBalanced(kit: WorkerKit): Promise<void> {
  expect((await auditBooks(kit.bus, workerDefaults.app, kit.worker.books)).imbalanceMessages).toBe(
    0,
  );
}

test('sends live lines in order once a batch is old enough', async () => {
  const kit = new WorkerKit();
  kit.worker.start();
  await appendEach(kit, ['a', 'b', 'c']);
  await kit.clock.advance(999);
  expect(kit.drain.texts).toEqual([]);
  await kit.clock.advance(1);
  expect(kit.drain.texts).toEqual(['a', 'b', 'c']);
  expect(kit.drain.batches.map((b) => b.messages)).toEqual([3]);
  await expectBalanced(kit);
  expect(kit.worker.condition.state).toBe('live');
});

test('sends at once when a batch has as many lines as it may have', async () => {
  const kit = new WorkerKit({ batchLinesMax: 4 });
  kit.worker.start();
  await kit.clock.advance(0);
  await kit.bus.append([linesRecord(1, numbers(0, 10))]);
  await kit.clock.advance(0);
  expect(kit.drain.batches.map((b) => b.messages)).toEqual([4, 4]);
  await kit.clock.advance(1000);
  expect(kit.drain.texts).toEqual(numbers(0, 10));
  await expectBalanced(kit);
});

test('repeats a failed batch unchanged, with the same id, and keeps the order', async () => {
  const kit = new WorkerKit({ batchMsMax: 0 });
  let failures = 3;
  kit.drain.answer = () =>
    failures-- > 0 ? { kind: 'retry', reason: 'http_5xx' } : { kind: 'delivered', rejected: 0 };
  kit.worker.start();
  await kit.bus.append([linesRecord(1, ['a', 'b'])]);
  await kit.clock.advance(0);
  await appendEach(kit, ['c', 'd']);
  await kit.clock.advance(60_000);
  expect(kit.drain.texts).toEqual(['a', 'b', 'c', 'd']);
  const ids = kit.drain.batches.map((b) => b.id);
  expect(new Set(ids.slice(0, 4)).size).toBe(1);
  expect(ids[0]).toBe('00000007' + '000000000000' + '0000' + '00000002');
  await expectBalanced(kit);
});

test('waits as long as the receiver asks', async () => {
  const kit = new WorkerKit({ batchMsMax: 0 });
  let asked = false;
  kit.drain.answer = () => {
    if (asked) return { kind: 'delivered', rejected: 0 };
    asked = true;
    return { kind: 'retry', reason: 'http_429', afterMs: 120_000 };
  };
  kit.worker.start();
  await kit.bus.append([linesRecord(1, ['a'])]);
  await kit.clock.advance(119_000);
  expect(kit.drain.batches).toHaveLength(1);
  await kit.clock.advance(1_001);
  expect(kit.drain.texts).toEqual(['a']);
});

test('frees its memory when it lags, and meets the live head without gap or repeat', async () => {
  const kit = new WorkerKit({ queueBytesMax: 3000, batchMsMax: 10 });
  let isDown = true;
  kit.drain.answer = () =>
    isDown ? { kind: 'retry', reason: 'connect' } : { kind: 'delivered', rejected: 0 };
  kit.worker.start();
  await kit.clock.advance(0);
  await appendEach(kit, numbers(0, 100));
  await kit.clock.advance(1000);
  await appendEach(kit, numbers(100, 200));
  expect(kit.worker.queuedBytes).toBeLessThanOrEqual(3000);
  expect(kit.worker.condition.state).toBe('lagging');
  isDown = false;
  await kit.clock.advance(400_000);
  await appendEach(kit, numbers(200, 210));
  await kit.clock.advance(1000);
  expect(kit.drain.texts).toEqual(numbers(0, 210));
  expect(kit.worker.condition.state).toBe('live');
  await expectBalanced(kit);
});

test('meets the head exactly although lines arrive while it reads', async () => {
  const kit = new WorkerKit({ batchMsMax: 0, readBytesMax: 200 });
  await appendEach(kit, numbers(0, 30));
  kit.worker.start();
  await appendEach(kit, numbers(30, 90));
  await kit.clock.advance(10);
  await appendEach(kit, numbers(90, 100));
  await kit.clock.advance(10);
  expect(kit.drain.texts).toEqual(numbers(0, 100));
  await expectBalanced(kit);
});

test('loses exactly what retention took, and tells the stream and the drain itself', async () => {
  const kit = new WorkerKit({ queueBytesMax: 1000, batchMsMax: 0, batchLinesMax: 5 });
  let isDown = true;
  kit.drain.answer = () =>
    isDown ? { kind: 'retry', reason: 'connect' } : { kind: 'delivered', rejected: 0 };
  kit.worker.start();
  await kit.clock.advance(0);
  await appendEach(kit, numbers(0, 100));
  const queued = [...numbers(0, 100)];
  kit.bus.dropBefore(0, 60);
  isDown = false;
  await kit.clock.advance(400_000);
  const { counts } = kit.worker.books;
  const told = kit.drain.texts.filter((text) => text.includes('L10'));
  expect(told).toHaveLength(1);
  expect(told[0]).toContain(`${counts.lost} messages dropped since`);
  const lines = kit.drain.texts.filter((text) => !text.includes('L10'));
  expect(lines.length + counts.lost).toBe(100);
  expect(lines).toEqual(queued.filter((text) => lines.includes(text)));
  expect(lines.slice(-40)).toEqual(numbers(60, 100));
  expect(await noticesIn(kit)).toEqual([told[0]]);
  expect(counts.filtered).toBe(1);
  await expectBalanced(kit);
});

test('does not write a notice twice when the process dies after it was stored', async () => {
  const kit = new WorkerKit({ batchMsMax: 0 });
  await appendEach(kit, numbers(0, 10));
  kit.bus.dropBefore(0, 5);
  let before = kit.saved;
  const append = kit.bus.append.bind(kit.bus);
  kit.bus.append = async (records) => {
    await append(records);
    if (records[0]?.kind === 'notice') before = kit.saved;
  };
  kit.worker.start();
  await kit.clock.advance(5000);
  expect(before?.notices).toHaveLength(1);
  kit.saved = before;
  await kit.restart();
  await kit.clock.advance(60_000);
  expect(await noticesIn(kit)).toHaveLength(1);
  expect(kit.worker.books.notices).toEqual([]);
  await expectBalanced(kit);
});

test('sends the batch again unchanged after a restart, and what follows once', async () => {
  const kit = new WorkerKit({ batchMsMax: 50 });
  kit.worker.start();
  await kit.clock.advance(0);
  await appendEach(kit, ['a', 'b']);
  kit.drain.answer = () => new Promise(() => undefined);
  await kit.clock.advance(50);
  await appendEach(kit, ['c']);
  kit.drain.answer = () => ({ kind: 'delivered', rejected: 0 });
  await kit.restart();
  await appendEach(kit, ['d']);
  await kit.clock.advance(1000);
  expect(kit.drain.texts).toEqual(['a', 'b', 'c', 'd']);
  expect(kit.drain.batches[1]?.id).toBe(kit.drain.batches[0]?.id);
  expect(kit.drain.batches[1]?.body).toEqual(kit.drain.batches[0]?.body);
  await expectBalanced(kit);
});

test('halves a batch to find the message that the receiver refuses', async () => {
  const kit = new WorkerKit({ batchMsMax: 10 });
  kit.drain.answer = (batch) =>
    batch.body.toString().split('\n').includes('13')
      ? { kind: 'split', status: 400 }
      : { kind: 'delivered', rejected: 0 };
  kit.worker.start();
  await kit.clock.advance(0);
  await kit.bus.append([linesRecord(1, numbers(0, 32))]);
  await kit.clock.advance(60_000);
  expect(kit.drain.texts).toEqual(numbers(0, 32).filter((n) => n !== '13'));
  expect(kit.worker.books.counts).toMatchObject({ delivered: 31, refused: 1, filtered: 1 });
  expect(await noticesIn(kit)).toEqual([
    expect.stringMatching(/^Error L18 .*status 400\): 1 messages refused/),
  ]);
  expect(new Set(kit.drain.batches.map((b) => b.id)).size).toBe(kit.drain.batches.length);
  await expectBalanced(kit);
});

test('finds every offending message of a batch, and refuses no other', async () => {
  const kit = new WorkerKit({ batchMsMax: 10 });
  const bad = ['50', '150', '250', '350'];
  kit.drain.answer = (batch) =>
    batch.body
      .toString()
      .split('\n')
      .some((text) => bad.includes(text))
      ? { kind: 'split', status: 422 }
      : { kind: 'delivered', rejected: 0 };
  kit.worker.start();
  await kit.clock.advance(0);
  await kit.bus.append([linesRecord(1, numbers(0, 400))]);
  await kit.clock.advance(60_000);
  expect(kit.drain.texts).toEqual(numbers(0, 400).filter((n) => !bad.includes(n)));
  expect(kit.worker.books.counts).toMatchObject({ delivered: 396, refused: 4 });
  await expectBalanced(kit);
});

test('refuses a whole piece when finding the offending message takes too many requests', async () => {
  const kit = new WorkerKit({ batchMsMax: 10, splitRequestsMax: 6 });
  kit.drain.answer = (batch) =>
    batch.body.toString().split('\n').includes('31')
      ? { kind: 'split', status: 422 }
      : { kind: 'delivered', rejected: 0 };
  kit.worker.start();
  await kit.clock.advance(0);
  await kit.bus.append([linesRecord(1, numbers(0, 36))]);
  await kit.clock.advance(60_000);
  const refused = numbers(0, 36).filter((n) => !kit.drain.texts.includes(n));
  expect(refused).toContain('31');
  expect(refused.length).toBeGreaterThan(1);
  expect(kit.worker.books.counts.refused).toBe(refused.length);
  await expectBalanced(kit);
});

test('halves what is too large until it fits, loses none of it, and stays small for a while', async () => {
  const kit = new WorkerKit({ batchMsMax: 10 });
  const isTooLarge = (bytes: number): boolean => bytes > 40;
  kit.drain.answer = (batch) =>
    isTooLarge(batch.body.length)
      ? { kind: 'split', status: 413 }
      : { kind: 'delivered', rejected: 0 };
  kit.worker.start();
  await kit.clock.advance(0);
  await kit.bus.append([linesRecord(1, numbers(0, 400))]);
  await kit.clock.advance(60_000);
  expect(kit.drain.texts).toEqual(numbers(0, 400));
  const before = kit.drain.batches.length;
  await kit.bus.append([linesRecord(1, numbers(400, 500))]);
  await kit.clock.advance(60_000);
  expect(kit.drain.texts).toEqual(numbers(0, 500));
  const later = kit.drain.batches.slice(before);
  expect(later.filter(({ body }) => isTooLarge(body.length))).toEqual([]);
  kit.drain.answer = () => ({ kind: 'delivered', rejected: 0 });
  await kit.clock.advance(600_000);
  await kit.bus.append([linesRecord(1, numbers(500, 600))]);
  await kit.clock.advance(60_000);
  expect(kit.drain.batches.at(-1)?.messages).toBe(100);
  expect(kit.worker.books.counts).toMatchObject({ delivered: 600, refused: 0 });
  await expectBalanced(kit);
});

test('refuses one message that is too large alone, and no other', async () => {
  const kit = new WorkerKit({ batchMsMax: 10 });
  kit.drain.answer = (batch) =>
    batch.body.toString().includes('x'.repeat(100))
      ? { kind: 'split', status: 413 }
      : { kind: 'delivered', rejected: 0 };
  kit.worker.start();
  await kit.clock.advance(0);
  await kit.bus.append([linesRecord(1, ['a', 'b', 'x'.repeat(100), 'c'])]);
  await kit.clock.advance(60_000);
  expect(kit.drain.texts).toEqual(['a', 'b', 'c']);
  expect(await noticesIn(kit)).toEqual([
    expect.stringMatching(/^Error L18 .*status 413\): 1 messages refused/),
  ]);
  await expectBalanced(kit);
});

test('keeps the lines of a held drain and probes it rarely', async () => {
  const kit = new WorkerKit({ batchMsMax: 0 });
  let isHeld = true;
  kit.drain.answer = () =>
    isHeld ? { kind: 'hold', reason: 'http_4xx', status: 401 } : { kind: 'delivered', rejected: 0 };
  kit.worker.start();
  await kit.clock.advance(0);
  await appendEach(kit, numbers(0, 5));
  await kit.clock.advance(299_000);
  expect(kit.drain.batches).toHaveLength(1);
  expect(kit.worker.condition.state).toBe('held');
  isHeld = false;
  await kit.clock.advance(2_000);
  expect(kit.drain.texts).toEqual(numbers(0, 5));
  expect(kit.worker.condition.state).toBe('live');
});

test('tells the stream once that a drain is held, and again when it is held anew', async () => {
  const kit = new WorkerKit({ batchMsMax: 0 });
  let status = 401;
  kit.drain.answer = () =>
    status === 204
      ? { kind: 'delivered', rejected: 0 }
      : { kind: 'hold', reason: 'http_4xx', status };
  kit.worker.start();
  await kit.clock.advance(0);
  await appendEach(kit, ['a']);
  await kit.clock.advance(1_000_000);
  const told = (reason: string): string =>
    `Error L19 (drain held): error="status ${reason}" uri="https://drain.example/"`;
  expect(await noticesIn(kit)).toEqual([told('401')]);
  status = 204;
  await kit.clock.advance(300_000);
  status = 410;
  await appendEach(kit, ['b']);
  await kit.clock.advance(1000);
  expect(await noticesIn(kit)).toEqual([told('401'), told('410')]);
  status = 204;
  await kit.clock.advance(300_000);
  expect(kit.drain.texts).toEqual(['a', 'b']);
  await expectBalanced(kit);
});

test('is disabled after five days of nothing but failures, and drops what it had and what comes', async () => {
  const kit = new WorkerKit({ batchMsMax: 0, retryMsMax: 3_600_000 });
  kit.drain.answer = () => ({ kind: 'retry', reason: 'timeout' });
  kit.worker.start();
  await kit.clock.advance(0);
  await appendEach(kit, numbers(0, 5));
  await kit.clock.advance(5.2 * 86_400_000);
  expect(kit.worker.condition.state).toBe('disabled');
  expect(kit.worker.books.counts.dropped).toBe(5);
  await appendEach(kit, numbers(5, 8));
  await kit.clock.advance(1000);
  expect(kit.worker.books.counts.dropped).toBe(8);
  await expectBalanced(kit);
});

test('a stream moves its cursor only as far as was confirmed, and sends the rest again after a break', async () => {
  const kit = new WorkerKit({ batchMsMax: 10, batchLinesMax: 2 }, { isStream: true });
  kit.drain.answer = () => ({ kind: 'written' });
  kit.worker.start();
  await kit.clock.advance(0);
  await kit.bus.append([linesRecord(1, numbers(0, 6))]);
  await kit.clock.advance(20);
  expect(kit.drain.texts).toEqual(numbers(0, 6));
  expect(accountedFor(kit.worker.books)).toBe(0);
  const first = kit.drain.batches[0];
  if (first) kit.drain.events?.confirmed(first.to);
  expect(kit.worker.books.counts.delivered).toBe(2);
  kit.drain.events?.broken('closed');
  await appendEach(kit, ['6']);
  await kit.clock.advance(60_000);
  expect(kit.drain.texts).toEqual([...numbers(0, 6), ...numbers(2, 7)]);
  const last = kit.drain.batches.at(-1);
  if (last) kit.drain.events?.confirmed(last.to);
  expect(kit.worker.books.counts.delivered).toBe(7);
  await expectBalanced(kit);
});

test('a stream that breaks over a certificate is an L14 in the stream of the app, once', async () => {
  const kit = new WorkerKit({ batchMsMax: 10 }, { isStream: true });
  kit.drain.answer = () => ({ kind: 'written' });
  kit.worker.start();
  await appendEach(kit, ['0']);
  for (let attempt = 0; attempt < 3; attempt++) {
    await kit.clock.advance(2000);
    kit.drain.events?.broken('tls', 'client certificate required');
    await kit.clock.advance(0);
  }
  const { records } = await kit.bus.read(
    { logId: kit.bus.logId, partition: 0, offset: 0, line: 0 },
    1e6,
  );
  const texts = records.flatMap(({ record }) => textsOf(record.frames));
  const told = texts.filter((text) => text.includes('Error L14'));
  expect(told).toHaveLength(1);
  expect(told[0]).toContain('client certificate required');
  expect(kit.worker.condition).toMatchObject({ isFailing: true, lastError: { reason: 'tls' } });
});

test('flushes what is queued when it closes, without waiting for the batch to grow old', async () => {
  const kit = new WorkerKit();
  kit.worker.start();
  await kit.clock.advance(0);
  await appendEach(kit, numbers(0, 3));
  await kit.worker.close(new AbortController().signal);
  expect(kit.drain.texts).toEqual(numbers(0, 3));
  expect(kit.saved?.counts.delivered).toBe(3);
});

test('does not sit through a back-off when it closes', async () => {
  const kit = new WorkerKit({ batchMsMax: 0 });
  kit.drain.answer = () => ({ kind: 'retry', reason: 'connect' });
  kit.worker.start();
  await kit.clock.advance(0);
  await appendEach(kit, numbers(0, 3));
  await kit.clock.advance(10);
  await kit.worker.close(new AbortController().signal);
  expect(kit.saved?.counts.delivered).toBe(0);
});

test('sends nothing after it was removed', async () => {
  const kit = new WorkerKit({ batchMsMax: 0 });
  kit.worker.start();
  await kit.clock.advance(0);
  await kit.worker.remove();
  await appendEach(kit, numbers(0, 3));
  await kit.clock.advance(1000);
  expect(kit.drain.batches).toEqual([]);
  expect(kit.saved).toBeNull();
});

test('starts anew, announced, on a log that it does not know', async () => {
  const old = new WorkerKit({ batchMsMax: 0 });
  old.worker.start();
  await appendEach(old, numbers(0, 5));
  await old.clock.advance(10);
  const { MemoryLog } = await import('../support/memory-log.ts');
  const kit = new WorkerKit(
    { batchMsMax: 0 },
    { bus: new MemoryLog({ logId: '0123456789abcdef' }), books: old.worker.books },
  );
  await appendEach(kit, ['x', 'y']);
  kit.worker.start();
  await kit.clock.advance(20_000);
  expect(kit.drain.texts[0]).toContain('at least 0 messages dropped');
  expect(kit.drain.texts.slice(1)).toEqual(['x', 'y']);
  await expectBalanced(kit);
});

test('has the drain in the id of its batches', () => {
  expect(drainId(7)).toBe(workerDefaults.id);
});

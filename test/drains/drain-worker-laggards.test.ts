import { expect, test } from 'vitest';
import { linesRecord } from '../support/records.ts';
import { WorkerKit } from '../support/worker-kit.ts';

const numbers = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `${from + i}`);

const isL10 = (text: string): boolean => text.startsWith('Error L10');

/** A worker whose first five lines are gone, so that it owes its receiver an L10. */
async function owing(): Promise<WorkerKit> {
  const kit = new WorkerKit({ batchMsMax: 0 });
  await kit.bus.append([linesRecord(1, numbers(0, 5))]);
  await kit.bus.append([linesRecord(1, numbers(5, 10))]);
  kit.bus.dropBefore(0, 1);
  return kit;
}

test('a laggard holds nothing while it waits, and sends the same batch again', async () => {
  const kit = new WorkerKit({ batchMsMax: 0, queueBytesMax: 2000 });
  let isDown = true;
  kit.drain.answer = () =>
    isDown ? { kind: 'retry', reason: 'connect' } : { kind: 'delivered', rejected: 0 };
  kit.worker.start();
  await kit.clock.advance(0);
  for (const text of numbers(0, 50)) await kit.bus.append([linesRecord(1, [text])]);
  await kit.clock.advance(600_000);
  expect(kit.worker.queuedBytes).toBe(0);
  isDown = false;
  await kit.clock.advance(600_000);
  expect(kit.drain.texts).toEqual(numbers(0, 50));
  const [first] = kit.drain.batches;
  const again = kit.drain.batches.filter(({ id }) => id === first?.id);
  expect(again.length).toBeGreaterThan(2);
  expect(new Set(again.map(({ body }) => body.toString())).size).toBe(1);
});

test('a laggard holds nothing while a batch of it is under way, nor until its next turn', async () => {
  const kit = new WorkerKit({ batchMsMax: 0, batchLinesMax: 4, readBytesMax: 200 });
  for (const text of numbers(0, 10)) await kit.bus.append([linesRecord(1, [text])]);
  const held: number[] = [];
  kit.drain.answer = () => {
    held.push(kit.worker.queuedBytes);
    return { kind: 'delivered', rejected: 0 };
  };
  kit.worker.start();
  await kit.clock.advance(60_000);
  // The last one is read with the live head, from where on lines are kept.
  expect(held.slice(0, -1)).toEqual([0, 0]);
  expect(held.at(-1)).toBeGreaterThan(0);
  expect(kit.drain.texts).toEqual(numbers(0, 10));
});

test('no line is refused for the sake of our own L10', async () => {
  const kit = await owing();
  kit.drain.answer = ({ body }) =>
    isL10(body.toString()) ? { kind: 'split', status: 400 } : { kind: 'delivered', rejected: 0 };
  kit.worker.start();
  await kit.clock.advance(60_000);
  expect(kit.drain.texts).toEqual(numbers(5, 10));
  expect(kit.worker.books.counts).toMatchObject({ delivered: 5, lost: 5, refused: 0 });
});

test('an L10 whose batch was refused comes again once something was taken', async () => {
  const kit = await owing();
  let refusals = 1;
  kit.drain.answer = () =>
    refusals-- > 0 ? { kind: 'refused', status: 422 } : { kind: 'delivered', rejected: 0 };
  kit.worker.start();
  await kit.clock.advance(60_000);
  for (const text of ['a', 'b']) {
    await kit.bus.append([linesRecord(1, [text])]);
    await kit.clock.advance(1000);
  }
  expect(kit.drain.texts.filter((text) => !isL10(text))).toEqual(['a', 'b']);
  expect(kit.drain.texts.filter(isL10)).toHaveLength(1);
  expect(kit.worker.books.owed).toBeUndefined();
});

test('a notice is not kept waiting by a back-off', async () => {
  const kit = new WorkerKit({ batchMsMax: 0, batchLinesMax: 1 });
  let attempts = 0;
  kit.drain.answer = () =>
    attempts++ < 2
      ? { kind: 'refused', status: 422 }
      : { kind: 'retry', reason: 'http_429', afterMs: 900_000 };
  kit.worker.start();
  await kit.bus.append([linesRecord(1, numbers(0, 4))]);
  await kit.clock.advance(30_000);
  const { head } = await kit.bus.bounds(0);
  expect(kit.worker.books.notices).toEqual([]);
  expect(head.position.offset).toBe(3);
});

test('a stop does not wait for a hole behind lines that a stream has not confirmed', async () => {
  const kit = new WorkerKit({ batchMsMax: 0, readBytesMax: 1 }, { isStream: true });
  kit.drain.answer = () => ({ kind: 'written' });
  await kit.bus.append([linesRecord(1, ['a'])]);
  kit.worker.start();
  await kit.clock.advance(10);
  await kit.bus.append([linesRecord(1, ['x'.repeat(2 << 20)])]);
  await kit.bus.append([linesRecord(1, ['b'])]);
  kit.bus.dropBefore(0, 2);
  await kit.clock.advance(10);
  await kit.worker.close(new AbortController().signal);
  expect(kit.saved?.counts.lost).toBe(0);
});

test('lines that a live drain had to let go are read again without waiting for the next record', async () => {
  const kit = new WorkerKit({ batchMsMax: 1000 }, { queuesBytesMax: 1500 });
  kit.worker.start();
  await kit.clock.advance(0);
  for (const text of numbers(0, 10)) await kit.bus.append([linesRecord(1, [text])]);
  await kit.clock.advance(2000);
  expect(kit.drain.texts).toEqual(numbers(0, 10));
});

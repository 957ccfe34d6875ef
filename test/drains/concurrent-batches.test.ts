import { expect, test } from 'vitest';
import type { Batch, Delivery } from '../../src/drains/drain.ts';
import { auditBooks } from '../../src/drains/drain-audit.ts';
import type { DrainWorkerOptions } from '../../src/drains/drain-worker.ts';
import { linesRecord } from '../support/records.ts';
import { WorkerKit, workerDefaults } from '../support/worker-kit.ts';

const taken: Delivery = { kind: 'delivered', rejected: 0 };
const failed: Delivery = { kind: 'retry', reason: 'http_5xx' };

/** Lines of which each is a batch, and a receiver that answers when it is told to. */
class SlowReceiver {
  readonly kit: WorkerKit;
  readonly #waiting = new Map<string, (delivery: Delivery) => void>();

  constructor(concurrency: number, options: Partial<DrainWorkerOptions> = {}, isStarted = true) {
    this.kit = new WorkerKit({ batchMsMax: 0, batchLinesMax: 1, concurrency, ...options });
    this.kit.drain.answer = (batch) =>
      new Promise((resolve) => this.#waiting.set(textOf(batch), resolve));
    if (isStarted) this.kit.worker.start();
  }

  /** What has been asked and not answered. */
  get waiting(): string[] {
    return [...this.#waiting.keys()];
  }

  get sent(): string[] {
    return this.kit.drain.batches.map(textOf);
  }

  get counted(): number {
    return this.kit.worker.books.counts.delivered;
  }

  /** The lines of the batches that a crash would send again. */
  get saved(): number[] {
    return this.kit.saved?.inflight.map(({ from }) => from.seq) ?? [];
  }

  async append(...texts: string[]): Promise<void> {
    for (const text of texts) await this.kit.bus.append([linesRecord(1, [text])]);
    await this.kit.clock.advance(0);
  }

  async answer(text: string, delivery = taken): Promise<void> {
    this.#waiting.get(text)?.(delivery);
    this.#waiting.delete(text);
    await this.kit.clock.advance(0);
  }

  async imbalance(): Promise<number> {
    const audit = await auditBooks(this.kit.bus, workerDefaults.app, this.kit.worker.books);
    return audit.imbalanceMessages;
  }
}

/** Of a batch of one line. */
function textOf({ body }: Batch): string {
  return body.toString().trim();
}

test('so many batches are under way at once, all of them in the checkpoint, and no more', async () => {
  const receiver = new SlowReceiver(3);
  await receiver.append('a', 'b', 'c', 'd', 'e');
  expect(receiver.waiting).toEqual(['a', 'b', 'c']);
  expect(receiver.saved).toEqual([0, 1, 2]);
  await receiver.answer('a');
  expect(receiver.waiting).toEqual(['b', 'c', 'd']);
  expect(receiver.saved).toEqual([1, 2, 3]);
});

test('one after the other when nothing else is wanted', async () => {
  const receiver = new SlowReceiver(1);
  await receiver.append('a', 'b');
  expect(receiver.waiting).toEqual(['a']);
});

test('lines that come while a batch is under way do not wait for it', async () => {
  const receiver = new SlowReceiver(2);
  await receiver.append('a');
  await receiver.append('b');
  expect(receiver.waiting).toEqual(['a', 'b']);
});

test('the books go in order: what has arrived early waits for those before it', async () => {
  const receiver = new SlowReceiver(3);
  await receiver.append('a', 'b', 'c', 'd');
  await receiver.answer('b');
  await receiver.answer('c');
  expect(receiver.counted).toBe(0);
  expect(receiver.waiting).toEqual(['a']);
  await receiver.answer('a');
  expect(receiver.counted).toBe(3);
  expect(receiver.waiting).toEqual(['d']);
  expect(await receiver.imbalance()).toBe(0);
});

test('after a failure no other is started, and what has arrived is not sent again', async () => {
  const receiver = new SlowReceiver(3);
  await receiver.append('a', 'b', 'c', 'd');
  await receiver.answer('a', failed);
  await receiver.answer('b');
  await receiver.answer('c', failed);
  expect(receiver.waiting).toEqual([]);
  expect(receiver.saved).toEqual([0, 1, 2]);
  await receiver.kit.clock.advance(1000);
  // One at a time until it is known to go well again.
  expect(receiver.waiting).toEqual(['a']);
  await receiver.answer('a');
  expect(receiver.waiting).toEqual(['c']);
  await receiver.answer('c');
  await receiver.answer('d');
  expect(receiver.sent).toEqual(['a', 'b', 'c', 'a', 'c', 'd']);
  const ids = receiver.kit.drain.batches.map(({ id }) => id);
  expect([ids[3], ids[4]]).toEqual([ids[0], ids[2]]);
  expect(receiver.counted).toBe(4);
  expect(await receiver.imbalance()).toBe(0);
});

test('a failure closes the way for others before it is their turn to be learned of', async () => {
  const receiver = new SlowReceiver(3);
  await receiver.append('a', 'b');
  await receiver.answer('b', failed);
  await receiver.append('c');
  expect(receiver.waiting).toEqual(['a']);
});

test('what fails together is one failure, with the longest wait of all', async () => {
  const receiver = new SlowReceiver(3);
  await receiver.append('a', 'b', 'c');
  await receiver.answer('c', failed);
  await receiver.answer('b', { kind: 'retry', reason: 'http_429', afterMs: 60_000 });
  await receiver.answer('a', failed);
  await receiver.kit.clock.advance(59_999);
  expect(receiver.waiting).toEqual([]);
  await receiver.kit.clock.advance(1);
  expect(receiver.waiting).toEqual(['a']);
});

test('a drain that is disabled has dropped what it did not deliver, and only that', async () => {
  const receiver = new SlowReceiver(3, { disableAfterMs: 10_000 });
  await receiver.append('a', 'b', 'c');
  await receiver.answer('b');
  await receiver.answer('c', failed);
  receiver.kit.drain.answer = () => failed;
  await receiver.answer('a', failed);
  await receiver.kit.clock.advance(60_000);
  const { isDisabled, counts } = receiver.kit.worker.books;
  expect(isDisabled).toBe(true);
  expect(counts).toMatchObject({ delivered: 1, dropped: 2 });
  expect(await receiver.imbalance()).toBe(0);
});

test('of several at once one tells what is lost', async () => {
  const receiver = new SlowReceiver(3, {}, false);
  await receiver.append('a', 'b', 'c', 'd');
  receiver.kit.bus.dropBefore(0, 1);
  receiver.kit.worker.start();
  await receiver.kit.clock.advance(0);
  expect(receiver.sent).toEqual([
    expect.stringMatching(/^Error L10 .*: 1 messages dropped/),
    ...['c', 'd'],
  ]);
});

test('pieces of a batch come before those that were ahead of them', async () => {
  const receiver = new SlowReceiver(2, { batchLinesMax: 2 });
  await receiver.kit.bus.append([linesRecord(1, ['a', 'b', 'c', 'd'])]);
  await receiver.kit.clock.advance(0);
  expect(receiver.waiting).toEqual(['a\nb', 'c\nd']);
  await receiver.answer('c\nd');
  await receiver.answer('a\nb', { kind: 'split', status: 413 });
  expect(receiver.saved).toEqual([0, 2]);
  await receiver.answer('a');
  await receiver.answer('b');
  expect(receiver.sent).toEqual(['a\nb', 'c\nd', 'a', 'b']);
  expect(receiver.counted).toBe(4);
});

test('after a crash all that was under way comes again, unchanged', async () => {
  const receiver = new SlowReceiver(3);
  const { kit } = receiver;
  await receiver.append('a', 'b', 'c', 'd');
  await receiver.answer('b');
  const before = kit.drain.batches.map(({ id }) => id);
  await kit.restart();
  await kit.clock.advance(0);
  for (const text of ['a', 'b', 'c', 'd']) await receiver.answer(text);
  expect(receiver.sent.slice(3)).toEqual(['a', 'b', 'c', 'd']);
  expect(kit.drain.batches.slice(3, 6).map(({ id }) => id)).toEqual(before);
  expect(receiver.counted).toBe(4);
});

test('a stop in good order waits for what is under way', async () => {
  const receiver = new SlowReceiver(3);
  await receiver.append('a', 'b', 'c');
  const closed = receiver.kit.worker.close(new AbortController().signal);
  for (const text of ['c', 'a', 'b']) await receiver.answer(text);
  await closed;
  expect(receiver.counted).toBe(3);
  expect(receiver.saved).toEqual([]);
});

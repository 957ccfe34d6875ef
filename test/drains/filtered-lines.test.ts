import { expect, test } from 'vitest';
import { BatchBody } from '../../src/drains/batch-body.ts';
import { auditBooks } from '../../src/drains/drain-audit.ts';
import { createEncoder } from '../../src/drains/formats/create-encoder.ts';
import { createLineFilter } from '../../src/drains/formats/line-filter.ts';
import { drainOptions } from '../../src/drains/url/drain-options.ts';
import { frame, linesRecord } from '../support/records.ts';
import { WorkerKit, workerDefaults } from '../support/worker-kit.ts';

/** A worker whose drain wants lines of `web` only, as JSON. */
function filteringKit(over: { isStream?: boolean } = {}): WorkerKit {
  const setting = { kind: 'https', tls: true, insecureAllowed: false } as const;
  const options = drainOptions({ format: 'ndjson', process: ['web'] }, setting);
  const encoder = new BatchBody({
    encoder: createEncoder(options, 'd.token'),
    keep: createLineFilter(options),
  });
  return new WorkerKit({}, { ...over, encoder });
}

async function append(kit: WorkerKit, procs: readonly string[]): Promise<void> {
  const frames = Buffer.from(procs.map((proc, i) => frame(`line ${i}`, { proc })).join(''));
  await kit.bus.append([linesRecord(1, procs, { frames })]);
}

function received(kit: WorkerKit): string[] {
  return kit.drain.texts.map((text) => (JSON.parse(text) as { message: string }).message);
}

async function expectBalanced(kit: WorkerKit): Promise<void> {
  const audit = await auditBooks(kit.bus, workerDefaults.app, kit.worker.books);
  expect(audit.imbalanceMessages).toBe(0);
}

test('lines that the owner does not want are filtered, the others delivered', async () => {
  const kit = filteringKit();
  kit.worker.start();
  await append(kit, ['web.1', 'worker.1', 'web', 'website.1']);
  await kit.clock.advance(1000);
  expect(received(kit)).toEqual(['line 0', 'line 2']);
  expect(kit.drain.batches.map(({ messages }) => messages)).toEqual([2]);
  expect(kit.worker.books.counts).toMatchObject({ delivered: 2, filtered: 2 });
  await expectBalanced(kit);
});

test('a batch of nothing but filtered lines is not sent, and the cursor passes it', async () => {
  const kit = filteringKit();
  kit.worker.start();
  await append(kit, ['worker.1', 'worker.2']);
  await kit.clock.advance(1000);
  expect(kit.drain.batches).toEqual([]);
  expect(kit.worker.books.counts).toMatchObject({ delivered: 0, filtered: 2 });
  expect(kit.worker.books.cursor.seq).toBe(2);
  await expectBalanced(kit);
});

test('what a receiver refuses of a filtered batch is refused, the filtered lines are not', async () => {
  const kit = filteringKit();
  kit.drain.answer = () => ({ kind: 'split', status: 400 });
  kit.worker.start();
  await append(kit, ['worker.1', 'web.1', 'worker.1', 'web.2', 'worker.1']);
  await kit.clock.advance(1000);
  expect(kit.worker.books.counts).toMatchObject({ refused: 2, filtered: 3, delivered: 0 });
  await expectBalanced(kit);
});

test('records that a receiver rejected of a batch are refused, the rest is delivered', async () => {
  const kit = filteringKit();
  kit.drain.answer = () => ({ kind: 'delivered', rejected: 1 });
  kit.worker.start();
  await append(kit, ['web.1', 'worker.1', 'web.2']);
  await kit.clock.advance(1000);
  expect(kit.worker.books.counts).toMatchObject({ delivered: 1, refused: 1, filtered: 1 });
  await expectBalanced(kit);
});

test('after a crash the same lines are filtered again, and counted once', async () => {
  const kit = filteringKit();
  kit.drain.answer = () => ({ kind: 'retry', reason: 'http_5xx' });
  kit.worker.start();
  await append(kit, ['worker.1', 'web.1', 'worker.1']);
  await kit.clock.advance(1000);
  const [first] = kit.drain.batches;
  await kit.restart();
  kit.drain.answer = () => ({ kind: 'delivered', rejected: 0 });
  await kit.clock.advance(60_000);
  const last = kit.drain.batches.at(-1);
  expect([last?.id, last?.body.toString()]).toEqual([first?.id, first?.body.toString()]);
  expect(kit.worker.books.counts).toMatchObject({ delivered: 1, filtered: 2 });
  await expectBalanced(kit);
});

test('a stream confirms filtered lines with those before them', async () => {
  const kit = filteringKit({ isStream: true });
  kit.drain.answer = () => ({ kind: 'written' });
  kit.worker.start();
  await append(kit, ['web.1', 'worker.1']);
  await kit.clock.advance(1000);
  await append(kit, ['worker.1', 'worker.1']);
  await kit.clock.advance(1000);
  expect(kit.drain.batches).toHaveLength(1);
  const [batch] = kit.drain.batches;
  if (batch) kit.drain.events?.confirmed(batch.to);
  await kit.clock.advance(0);
  expect(kit.worker.books.counts).toMatchObject({ delivered: 1, filtered: 3 });
  await expectBalanced(kit);
});

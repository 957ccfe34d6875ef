import { expect, test } from 'vitest';
import type { Delivery } from '../../src/drains/drain.ts';
import type { ProbeVerdict } from '../../src/drains/probe/drain-probe.ts';
import { ManagerKit } from '../support/manager-kit.ts';
import { linesRecord, textsOf } from '../support/records.ts';

const delivered: Delivery = { kind: 'delivered', rejected: 0 };
const held: Delivery = { kind: 'hold', reason: 'http_4xx', status: 401 };
const dayMs = 86_400_000;

async function startedKit(...args: ConstructorParameters<typeof ManagerKit>): Promise<ManagerKit> {
  const kit = new ManagerKit(...args);
  await kit.start();
  return kit;
}

test('a paused drain keeps its place, and goes on from there', async () => {
  const kit = await startedKit();
  await kit.append('a');
  await kit.change({ isPaused: true });
  await kit.append('b', 'c');
  expect(await kit.health()).toMatchObject({
    state: 'paused',
    messages: { delivered: 1 },
    backlog: { messages: 2 },
    imbalanceMessages: 0,
  });
  await kit.restart();
  await kit.append('d');
  expect(kit.drain.texts).toEqual(['a']);
  expect((await kit.health()).state).toBe('paused');
  await kit.resume();
  expect(kit.drain.texts).toEqual(['a', 'b', 'c', 'd']);
  expect(await kit.health()).toMatchObject({ state: 'live', imbalanceMessages: 0 });
});

test('retention may overtake a paused drain, which is told when it goes on', async () => {
  const kit = await startedKit();
  await kit.append('a');
  await kit.change({ isPaused: true });
  await kit.append('b', 'c', 'd');
  kit.bus.dropBefore(0, 3);
  await kit.resume();
  await kit.clock.advance(1000);
  expect(kit.drain.texts.slice(1)).toEqual([
    expect.stringMatching(/^Error L10 .* 2 messages dropped/) as string,
    'd',
  ]);
  expect(await kit.health()).toMatchObject({
    messages: { delivered: 2, lost: 2 },
    imbalanceMessages: 0,
  });
});

test('what cannot be read any more counts as the backlog of a paused drain until it goes on', async () => {
  const kit = await startedKit();
  await kit.append('a');
  await kit.change({ isPaused: true });
  await kit.append('b', 'c');
  // An index that was made again without the record of `b`.
  const count = kit.bus.count.bind(kit.bus);
  kit.bus.count = async (...asked) => (await count(...asked)) - 1;
  expect(await kit.health()).toMatchObject({ backlog: { messages: 2 }, imbalanceMessages: 0 });
});

test('a batch that is under way at a pause may come to its end, and is not sent again', async () => {
  const kit = await startedKit();
  const answer = Promise.withResolvers<Delivery>();
  kit.drain.answer = () => answer.promise;
  await kit.append('a');
  const pausing = kit.change({ isPaused: true });
  answer.resolve(delivered);
  await pausing;
  await kit.resume();
  await kit.clock.advance(1000);
  expect(kit.drain.texts).toEqual(['a']);
  expect(kit.drain.batches).toHaveLength(1);
});

test('one that does not come to its end in time comes again as it was', async () => {
  const kit = await startedKit();
  kit.drain.answer = () => new Promise(() => undefined);
  await kit.append('a');
  await kit.change({ isPaused: true });
  await kit.clock.advance(5000);
  expect((await kit.health()).state).toBe('paused');
  kit.drain.answer = () => delivered;
  await kit.append('b');
  await kit.resume();
  const [first, second] = kit.drain.batches;
  expect(second).toEqual(first);
  expect(kit.drain.texts).toEqual(['a', 'b']);
});

test('a resume of a held drain, or one in its back-off, tries at once; of a live one it does nothing', async () => {
  const kit = await startedKit();
  await kit.resume();
  expect(kit.made).toHaveLength(1);
  for (const failure of [held, { kind: 'retry', reason: 'timeout' } as const]) {
    kit.drain.answer = () => failure;
    await kit.append('x');
    expect((await kit.health()).nextAttemptMs).toBeDefined();
    kit.drain.answer = () => delivered;
    await kit.resume();
    await kit.clock.advance(0);
    expect((await kit.health()).nextAttemptMs).toBeUndefined();
    expect((await kit.health()).imbalanceMessages).toBe(0);
  }
});

test('a disabled drain begins at the head when it is resumed, also when that was missed', async () => {
  for (const isMissed of [false, true]) {
    const kit = await startedKit({ retryMsMax: 3_600_000 });
    kit.drain.answer = () => ({ kind: 'retry', reason: 'timeout' });
    await kit.append('a', 'b');
    await kit.clock.advance(5.2 * dayMs);
    expect((await kit.health()).state).toBe('disabled');
    await kit.append('c');
    kit.drain.answer = () => delivered;
    if (isMissed) {
      await kit.stop();
      await kit.append('while nothing ran');
      kit.row = { ...kit.row, resumes: 1 };
      await kit.restart();
    } else {
      await kit.resume();
    }
    await kit.append('d');
    await kit.clock.advance(1000);
    expect(kit.drain.texts.filter((text) => !text.includes('L19'))).toEqual(['d']);
    const { state, messages, imbalanceMessages } = await kit.health();
    expect({ state, imbalanceMessages }).toEqual({ state: 'live', imbalanceMessages: 0 });
    expect(messages.dropped).toBeGreaterThanOrEqual(3);
    expect(await kit.counted('dropped')).toBe(messages.dropped);
  }
});

test('other options apply at once, with the same books and what was known of the drain', async () => {
  const kit = new ManagerKit();
  kit.certificate = { issuer: 'R11', expiresAtMs: 1, problem: undefined };
  await kit.start();
  await kit.append('a');
  const before = await kit.health();
  kit.certificate = undefined;
  await kit.change({ options: { gzip: true } });
  expect(kit.made).toEqual([{}, { gzip: true }]);
  expect(await kit.health()).toMatchObject({
    messages: before.messages,
    lastSuccessMs: before.lastSuccessMs,
    certificate: { issuer: 'R11' },
  });
  await kit.change({ options: { gzip: true } });
  expect(kit.made).toHaveLength(2);
  await kit.append('b');
  expect(kit.drain.texts).toEqual(['a', 'b']);
});

test('with other options a batch that was turned away is cut anew', async () => {
  const kit = await startedKit({ batchMsMax: 100 });
  kit.drain.answer = ({ messages }) => (messages > 1 ? held : delivered);
  await kit.append('a', 'b');
  await kit.clock.advance(200);
  expect((await kit.health()).state).toBe('held');
  kit.limitBatches(1);
  await kit.change({ options: { batch_lines: 1 } });
  await kit.clock.advance(1000);
  expect(kit.drain.texts).toEqual(['a', 'b']);
});

test('with other options a batch of which nobody knows what came of it comes again as it was', async () => {
  const kit = await startedKit({ batchMsMax: 100 });
  let isKnown = false;
  kit.drain.answer = () => (isKnown ? delivered : { kind: 'retry', reason: 'timeout' });
  await kit.append('a', 'b');
  await kit.clock.advance(200);
  const [first] = kit.drain.batches;
  kit.limitBatches(1);
  await kit.change({ options: { batch_lines: 1 } });
  isKnown = true;
  await kit.clock.advance(10_000);
  expect(kit.drain.batches.at(-1)).toEqual(first);
  expect(kit.drain.texts).toEqual(['a', 'b']);
});

test('with other options several that were under way come again as they were', async () => {
  const kit = await startedKit({ batchLinesMax: 2, concurrency: 2 });
  const both = Promise.withResolvers<void>();
  kit.drain.answer = async ({ body }) => {
    await both.promise;
    return body.toString().startsWith('a') ? { kind: 'retry', reason: 'timeout' } : held;
  };
  await kit.bus.append([linesRecord(1, ['a', 'b', 'c', 'd'])]);
  await kit.clock.advance(0);
  const before = kit.drain.batches.map(({ id }) => id);
  expect(before).toHaveLength(2);
  both.resolve();
  await kit.clock.advance(0);
  expect((await kit.health()).state).toBe('held');
  kit.limitBatches(1);
  kit.drain.answer = () => delivered;
  await kit.change({ options: { batch_lines: 1 } });
  await kit.clock.advance(1000);
  expect(kit.drain.batches.slice(2).map(({ id }) => id)).toEqual(before);
  expect(kit.drain.texts).toEqual(['a', 'b', 'c', 'd']);
});

test('events come once each, in order, also over restarts, and into the stream', async () => {
  const kit = await startedKit({ retryMsMax: 3_600_000 });
  kit.drain.answer = () => held;
  await kit.append('a');
  await kit.restart();
  await kit.clock.advance(2 * dayMs);
  await kit.restart();
  await kit.clock.advance(1000);
  kit.drain.answer = () => delivered;
  await kit.resume();
  await kit.clock.advance(60_000);
  expect(kit.events.map(({ kind, reason, status }) => [kind, reason, status])).toEqual([
    ['held', 'http_4xx', 401],
    ['failing', 'http_4xx', 401],
    ['recovered', undefined, undefined],
  ]);
  expect(kit.events[0]).toMatchObject({
    drain: 7,
    app: 1,
    maskedUrl: 'https://***:***@drain.example/',
  });
  const notices = (await stream(kit)).filter((text) => text.includes('L19'));
  expect(notices.map((text) => /\((.*?)\)/.exec(text)?.[1])).toEqual(
    expect.arrayContaining(['drain held', 'drain failing', 'drain recovered']),
  );
});

test('while it is too early for another L19, only the newest is kept for later', async () => {
  const kit = await startedKit();
  kit.drain.answer = () => held;
  await kit.append('a');
  kit.drain.answer = () => delivered;
  await kit.resume();
  kit.drain.answer = () => ({ ...held, status: 403 });
  await kit.append('b');
  const told = async (): Promise<(string | undefined)[]> =>
    (await stream(kit)).map((text) => /L19 \((.*?)\)/.exec(text)?.[1]).filter(Boolean);
  expect(await told()).toEqual(['drain held']);
  await kit.clock.advance(10_000);
  const notices = (await stream(kit)).filter((text) => text.includes('L19'));
  expect(notices).toHaveLength(2);
  expect(notices[1]).toContain('error="status 403"');
});

test('a drain that is given up is an event of its own', async () => {
  const kit = await startedKit({ retryMsMax: 3_600_000 });
  kit.drain.answer = () => ({ kind: 'retry', reason: 'timeout' });
  await kit.append('a');
  await kit.clock.advance(6 * dayMs);
  expect(kit.events.map(({ kind, reason }) => [kind, reason])).toEqual([
    ['failing', 'timeout'],
    ['disabled', 'timeout'],
  ]);
  expect((await stream(kit)).at(-1)).toBe(
    'Error L19 (drain disabled): error="timeout" uri="https://***:***@drain.example/"',
  );
});

test('after its removal nothing runs for a drain, and its checkpoints are gone', async () => {
  const kit = await startedKit();
  await kit.append('a');
  kit.replayed.answer = () => held;
  await kit.manager.startReplay(kit.row.id, { sinceMs: 0 });
  await kit.clock.advance(0);
  await kit.remove();
  await kit.append('b');
  await kit.clock.advance(1000);
  expect(kit.drain.texts).toEqual(['a']);
  expect(await kit.manager.healthOf(kit.row.id)).toBeUndefined();
  expect([...(await kit.bus.checkpoints.load(0)).keys()]).toEqual([]);
});

test("does not go on with the books of another app's drain that had the same id", async () => {
  const kit = new ManagerKit();
  await kit.start();
  await kit.append('a', 'b');
  await kit.stop();
  const [entry] = (await kit.bus.checkpoints.load(0)).values();
  const reached = (entry?.['reached'] ?? []) as [string, number, number, number];
  const [logId, app, ...place] = reached;
  const other = { ...entry, reached: [logId, app + 1, ...place] };
  await kit.bus.checkpoints.append(0, 1, new Map([[`drain:${kit.row.id}`, other]]));
  await kit.restart();
  expect(kit.drain.texts).toEqual(['a', 'b', 'a', 'b']);
  expect(await kit.health()).toMatchObject({ messages: { delivered: 2 }, imbalanceMessages: 0 });
});

test('one test of a drain at a time, and only so many of all', async () => {
  const kit = await startedKit();
  const verdict: ProbeVerdict = {
    verdict: 'delivered',
    mark: '',
    steps: [],
    certificate: undefined,
  };
  const answer = Promise.withResolvers<ProbeVerdict>();
  kit.probe = () => answer.promise;
  const testing = kit.manager.test(kit.row.id);
  expect(await kit.manager.test(kit.row.id)).toBe('busy');
  answer.resolve(verdict);
  expect(await testing).toEqual(verdict);
  expect(await kit.manager.test(kit.row.id)).toEqual(verdict);
  const full = await startedKit({}, { testsMax: 0 });
  expect(await full.manager.test(full.row.id)).toBe('busy');
});

test('the largest backlogs are listed without URLs', async () => {
  const kit = await startedKit();
  kit.drain.answer = () => held;
  await kit.append('a', 'b');
  expect(await kit.manager.largestBacklogs(5)).toMatchObject([
    { drain: 7, app: 1, kind: 'https', state: 'held', last_error: 'http_4xx' },
  ]);
  expect(JSON.stringify(await kit.manager.largestBacklogs(5))).not.toContain('drain.example');
  expect(await kit.manager.largestBacklogs(0)).toEqual([]);
});

async function stream(kit: ManagerKit): Promise<string[]> {
  const { oldest } = await kit.bus.bounds(0);
  const { records } = await kit.bus.read(oldest.position, 1 << 20, kit.row.app);
  return records.flatMap(({ record }) => textsOf(record.frames));
}

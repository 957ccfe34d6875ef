import { expect, test } from 'vitest';
import { formatPosition } from '../../../src/core/position.ts';
import type { Delivery } from '../../../src/drains/drain.ts';
import { ManagerKit } from '../../support/manager-kit.ts';
import { linesRecord } from '../../support/records.ts';

const delivered: Delivery = { kind: 'delivered', rejected: 0 };
const failing: Delivery = { kind: 'retry', reason: 'timeout' };

async function kitWith(...texts: string[]): Promise<ManagerKit> {
  const kit = new ManagerKit({ batchLinesMax: 2 });
  await kit.start();
  for (const text of texts) {
    await kit.append(text);
    await kit.clock.advance(1000);
  }
  return kit;
}

const letters = ['a', 'b', 'c', 'd', 'e'];

async function replay(kit: ManagerKit, sinceMs = 0): Promise<string | undefined> {
  const answer = await kit.manager.startReplay(kit.row.id, { sinceMs });
  await kit.clock.advance(0);
  return answer;
}

test('a replay sends what the drain has passed and stops there, beside the live worker', async () => {
  const kit = await kitWith(...letters);
  const first = Promise.withResolvers<Delivery>();
  kit.replayed.answer = () => first.promise;
  expect(await replay(kit)).toBe('started');
  await kit.append('f');
  expect(kit.drain.texts).toEqual([...letters, 'f']);
  const before = await kit.health();
  expect(before.replay).toMatchObject({ state: 'running', remainingMessages: 5 });
  kit.replayed.answer = () => delivered;
  first.resolve(delivered);
  await kit.clock.advance(1000);
  expect(kit.replayed.texts).toEqual(letters);
  const after = await kit.health();
  expect(after.replay).toMatchObject({ state: 'finished', messages: { delivered: 5 } });
  expect({ ...after, replay: undefined }).toEqual({ ...before, replay: undefined });
  expect([...(await kit.bus.checkpoints.load(0)).keys()]).toEqual(['drain:7']);
});

test('it begins at a time, or at a position', async () => {
  const kit = await kitWith(...letters);
  await replay(kit, kit.clock.nowMs() - 2500);
  await kit.clock.advance(1000);
  expect(kit.replayed.texts).toEqual(['d', 'e']);
  const { oldest } = await kit.bus.bounds(0);
  const position = formatPosition({ ...oldest.position, offset: oldest.position.offset + 1 });
  expect(await kit.manager.startReplay(kit.row.id, { position })).toBe('started');
  await kit.clock.advance(1000);
  expect(kit.replayed.texts).toEqual(['d', 'e', 'b', 'c', 'd', 'e']);
});

test('there is no replay of the time to come', async () => {
  const kit = await kitWith(...letters);
  expect(await replay(kit, kit.clock.nowMs() + 1)).toBe('no position');
  expect((await kit.health()).replay).toBeUndefined();
});

test('there is no replay of what is not behind the drain, or not of this log', async () => {
  const kit = await kitWith('a');
  kit.drain.answer = () => failing;
  await kit.append('b', 'c');
  const { logId } = kit.bus;
  for (const position of [`${logId}-0-2-0`, `${logId}-3-0-0`, `${'f'.repeat(16)}-0-0-0`, 'x']) {
    expect(await kit.manager.startReplay(kit.row.id, { position })).toBe('no position');
  }
  expect(await replay(kit, kit.clock.nowMs())).toBe('started');
  expect((await kit.health()).replay).toMatchObject({ state: 'finished', remainingMessages: 0 });
  expect(kit.replayed.batches).toEqual([]);
});

test('every replay has Frame-Ids of its own, and repeats them when it tries again', async () => {
  const kit = await kitWith('a', 'b');
  let failures = 1;
  kit.replayed.answer = () => (failures-- > 0 ? failing : delivered);
  await replay(kit);
  await kit.clock.advance(10_000);
  await replay(kit);
  await kit.clock.advance(1000);
  const ids = kit.replayed.batches.map(({ id }) => id);
  expect(ids).toHaveLength(3);
  expect(ids[1]).toBe(ids[0]);
  expect(ids[2]).not.toBe(ids[0]);
  for (const { id } of kit.drain.batches) expect(ids).not.toContain(id);
  expect(ids[0]).toMatch(/^[0-9a-f]{32}$/);
});

test('a record that the drain has not finished is replayed whole', async () => {
  const kit = new ManagerKit({ batchLinesMax: 2 });
  await kit.start();
  let batches = 0;
  kit.drain.answer = () => (batches++ === 0 ? delivered : failing);
  await kit.bus.append([linesRecord(kit.row.app, letters)]);
  await kit.clock.advance(0);
  expect(kit.drain.texts).toEqual(['a', 'b']);
  await replay(kit);
  await kit.clock.advance(1000);
  expect(kit.replayed.texts).toEqual(letters);
  expect((await kit.health()).replay?.state).toBe('finished');
});

test('one at a time of a drain, and none of one that is paused or disabled', async () => {
  const kit = await kitWith(...letters);
  kit.replayed.answer = () => failing;
  expect(await replay(kit)).toBe('started');
  expect(await replay(kit)).toBe('running');
  expect(await kit.manager.stopReplay(kit.row.id)).toBe(true);
  expect((await kit.health()).replay?.state).toBe('stopped');
  expect(await kit.manager.stopReplay(kit.row.id)).toBe(false);
  await kit.change({ isPaused: true });
  expect(await replay(kit)).toBe('resting');
});

test('there is a bound for all drains together', async () => {
  const kit = new ManagerKit({}, { replaysMax: 1 });
  await kit.start();
  await kit.append('a');
  kit.replayed.answer = () => failing;
  expect(await replay(kit)).toBe('started');
  expect(await replay(kit)).toBe('busy');
  await kit.manager.stopReplay(kit.row.id);
  expect(await replay(kit)).toBe('started');
});

test('a pause rests the replay too, a restart goes on with it', async () => {
  const kit = await kitWith(...letters);
  let batches = 0;
  kit.replayed.answer = () => (batches++ === 0 ? delivered : failing);
  await replay(kit);
  expect(kit.replayed.texts).toEqual(['a', 'b']);
  await kit.change({ isPaused: true });
  await kit.clock.advance(5000);
  expect((await kit.health()).replay).toMatchObject({ state: 'resting', remainingMessages: 3 });
  const { length } = kit.replayed.batches;
  await kit.restart();
  await kit.clock.advance(600_000);
  expect(kit.replayed.batches).toHaveLength(length);
  kit.replayed.answer = () => delivered;
  await kit.resume();
  await kit.clock.advance(1000);
  expect(kit.replayed.texts).toEqual(letters);
  expect((await kit.health()).replay?.state).toBe('finished');
});

test('what retention takes meanwhile is passed over, without a notice', async () => {
  const kit = await kitWith(...letters);
  kit.replayed.answer = () => failing;
  await replay(kit);
  await kit.change({ isPaused: true });
  await kit.clock.advance(5000);
  kit.bus.dropBefore(0, 4);
  kit.replayed.answer = () => delivered;
  await kit.resume();
  await kit.clock.advance(1000);
  const { replay: ended, imbalanceMessages } = await kit.health();
  expect(kit.replayed.texts).toEqual(['e']);
  expect(ended).toMatchObject({ state: 'finished', messages: { delivered: 1, lost: 4 } });
  expect(imbalanceMessages).toBe(0);
  const { head } = await kit.bus.bounds(0, kit.row.app);
  expect(head.appSeq).toBe(5);
});

test('all of it may be gone', async () => {
  const kit = await kitWith(...letters);
  kit.replayed.answer = () => failing;
  await replay(kit);
  await kit.append('f', 'g');
  await kit.change({ isPaused: true });
  await kit.clock.advance(5000);
  kit.bus.dropBefore(0, 6);
  await kit.resume();
  await kit.clock.advance(1000);
  expect((await kit.health()).replay).toMatchObject({ state: 'finished', messages: { lost: 5 } });
});

test('a replay whose receiver takes nothing for an hour ends', async () => {
  const kit = await kitWith(...letters);
  kit.replayed.answer = () => ({ kind: 'hold', reason: 'http_4xx', status: 401 });
  await replay(kit);
  await kit.clock.advance(2 * 3_600_000);
  expect((await kit.health()).replay?.state).toBe('failed');
  const { length } = kit.replayed.batches;
  await kit.clock.advance(86_400_000);
  expect(kit.replayed.batches).toHaveLength(length);
  expect(kit.events).toEqual([]);
});

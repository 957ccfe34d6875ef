import net from 'node:net';
import { expect, test } from 'vitest';
import { DependencyError } from '../../src/core/errors.ts';
import { noticeFrame, notices } from '../../src/core/notices.ts';
import { linesRecord } from '../support/records.ts';
import { app, range, TailWorld } from './tail-kit.ts';

test('shows history, then live lines, chunked and as plain text', async () => {
  await using world = await new TailWorld().listen();
  await world.append(3);
  const tail = world.tail();
  await world.until(() => tail.lines.length === 3);
  await world.append(2);
  await world.until(() => tail.lines.length === 5);
  expect(tail.text.split('\n')[0]).toBe('2026-01-01T00:00:00.000000+00:00 demo[web.1]: 0');
  expect(tail.numbers).toEqual(range(0, 5));
  expect(tail.status).toBe(200);
  expect(tail.headers).toMatchObject({
    'transfer-encoding': 'chunked',
    'content-type': 'text/plain; charset=utf-8',
    'x-content-type-options': 'nosniff',
    'cache-control': 'no-store, no-transform',
  });
});

test('answers at once when there is nothing to show yet', async () => {
  await using world = await new TailWorld().listen();
  const tail = world.tail();
  await world.until(() => tail.status === 200);
  await world.append();
  await world.until(() => tail.numbers.length === 1);
});

test.each([
  ['100 lines by default', '', range(400, 500)],
  ['as many as asked for', 'n=7&', range(493, 500)],
  ['none', 'n=0&', []],
  ['all that is kept', 'n=600&', range(0, 500)],
])('shows %s and ends with a final chunk when not following', async (_what, query, expected) => {
  await using world = await new TailWorld().listen();
  for (let record = 0; record < 50; record++) await world.append(10);
  const tail = world.tail(`${query}follow=False`);
  await world.until(() => tail.ended !== undefined);
  expect(tail.ended).toBe('end');
  expect(tail.headers['transfer-encoding']).toBe('chunked');
  expect(tail.numbers).toEqual(expected);
});

test('shows at most the history that is configured, by number and by age', async () => {
  await using world = await new TailWorld({ historyLinesMax: 20, historyAgeMsMax: 1000 }).listen();
  await world.append(30);
  const byNumber = world.tail('n=1000&follow=False');
  await world.until(() => byNumber.ended !== undefined);
  expect(byNumber.numbers).toEqual(range(10, 30));
  await world.clock.advance(5000);
  await world.append(2);
  const byAge = world.tail('n=1000&follow=False');
  await world.until(() => byAge.ended !== undefined);
  expect(byAge.numbers).toEqual([30, 31]);
});

test('shows exactly the lines asked for when not following, although more arrive meanwhile', async () => {
  await using world = await new TailWorld().listen();
  await world.append(10);
  world.log.holdReads();
  const tail = world.tail('n=5&follow=False');
  await world.until(() => world.log.reads === 1);
  await world.append(10);
  world.log.releaseReads();
  await world.until(() => tail.ended !== undefined);
  expect(tail.numbers).toEqual(range(5, 10));
});

test('loses and repeats nothing when lines arrive while history is being read', async () => {
  await using world = await new TailWorld().listen();
  await world.append(10);
  world.log.holdReads();
  const tail = world.tail('n=5');
  await world.until(() => world.log.reads === 1);
  for (let record = 0; record < 5; record++) await world.append(4);
  await world.pass(50);
  await world.append(3);
  world.log.releaseReads();
  await world.until(() => tail.numbers.length >= 28);
  await world.append(1);
  await world.until(() => tail.numbers.length >= 29);
  expect(tail.numbers).toEqual(range(5, 34));
  expect(world.metrics.droppedMessages).toBe(0);
});

test('takes from the live batch only the lines that history has not shown', async () => {
  await using world = await new TailWorld().listen();
  const first = world.tail('n=0');
  await world.until(() => first.status === 200);
  await world.pass();
  // Offered and waiting for the tick, these are in the log as well when the second tail reads its history.
  await world.append(3);
  const second = world.tail('n=2');
  await world.until(() => second.numbers.length === 2);
  await world.append(2);
  await world.until(() => second.numbers.length >= 4 && first.numbers.length >= 5);
  await world.pass();
  expect(first.numbers).toEqual(range(0, 5));
  expect(second.numbers).toEqual(range(1, 5));
});

test('reads a hole from the log before it goes on', async () => {
  await using world = await new TailWorld().listen();
  const tail = world.tail();
  await world.append();
  await world.until(() => tail.numbers.length === 1);
  world.router.isPaused = true;
  await world.append(3);
  await world.append(3);
  world.router.isPaused = false;
  await world.append(2);
  await world.until(() => tail.numbers.length === 9);
  expect(tail.numbers).toEqual(range(0, 9));
  expect(world.metrics.holeReads).toBe(1);
});

test('reads a hole once for all who follow the app', async () => {
  await using world = await new TailWorld().listen();
  const tails = range(0, 5).map(() => world.tail('n=0'));
  await world.until(() => tails.every(({ status }) => status === 200));
  await world.pass();
  const readsBefore = world.log.reads;
  world.router.isPaused = true;
  await world.append(3);
  world.router.isPaused = false;
  await world.append(2);
  await world.until(() => tails.every(({ numbers }) => numbers.length === 5));
  expect(world.log.reads).toBe(readsBefore + 1);
});

test('shows a record once although it is offered twice, or late', async () => {
  await using world = await new TailWorld().listen();
  const tail = world.tail();
  await world.until(() => tail.status === 200);
  await world.pass();
  world.router.isPaused = true;
  for (let record = 0; record < 4; record++) await world.append(2);
  const [a, b, c, d] = world.router.kept;
  for (const record of [a, a, c, b, a, d, d]) world.router.offer(record);
  await world.until(() => tail.numbers.length >= 8);
  await world.pass();
  expect(tail.numbers).toEqual(range(0, 8));
});

test('goes on live although records are offered while a hole is read', async () => {
  await using world = await new TailWorld().listen();
  const tail = world.tail();
  await world.until(() => tail.status === 200);
  await world.pass();
  world.router.isPaused = true;
  for (let record = 0; record < 6; record++) await world.append(2);
  const [, b, c, , e, f] = world.router.kept;
  world.log.holdReads();
  world.router.offer(b);
  world.router.offer(c);
  world.router.offer(e);
  world.router.isPaused = false;
  await world.append(1);
  world.log.releaseReads();
  world.router.offer(f);
  await world.until(() => tail.numbers.length >= 13);
  await world.append(1);
  await world.until(() => tail.numbers.length >= 14);
  expect(tail.numbers).toEqual(range(0, 14));
});

test('finds lines that were never offered, although no later line shows the hole', async () => {
  await using world = await new TailWorld({ checkEveryMs: 500 }).listen();
  const tail = world.tail();
  await world.append();
  await world.until(() => tail.numbers.length === 1);
  world.router.isPaused = true;
  await world.append(3);
  await world.until(() => tail.numbers.length === 4);
  expect(tail.numbers).toEqual(range(0, 4));
});

test('does not read the log again and again while there is silence', async () => {
  await using world = await new TailWorld({ checkEveryMs: 100 }).listen();
  const tail = world.tail();
  await world.append();
  await world.until(() => tail.numbers.length === 1);
  const { reads } = world.log;
  await world.pass(1000);
  expect(world.log.reads).toBe(reads);
});

test('sends more than it would hold in memory by reading the log', async () => {
  await using world = await new TailWorld({ appQueueBytesMax: 100_000 }).listen();
  const tail = world.tail();
  await world.until(() => tail.status === 200);
  await world.pass();
  for (let record = 0; record < 30; record++) void world.append(100, 100);
  await world.until(() => tail.numbers.length + tail.dropped >= 3000);
  expect(tail.dropped).toBe(0);
  expect(tail.numbers).toEqual(range(0, 3000));
  expect(world.metrics.holeReads).toBeGreaterThan(0);
});

test('shows what retention took as dropped, with the exact count', async () => {
  await using world = await new TailWorld().listen();
  const tail = world.tail();
  await world.append(2);
  await world.until(() => tail.numbers.length === 2);
  await world.pass();
  world.router.isPaused = true;
  for (let record = 0; record < 5; record++) await world.append(3);
  world.log.dropBefore(0, 4);
  world.router.isPaused = false;
  await world.append(1);
  await world.until(() => tail.numbers.length >= 9);
  expect(tail.dropped).toBe(9);
  expect(tail.numbers).toEqual([0, 1, ...range(11, 18)]);
});

test('shows notices as lines and empty records not at all', async () => {
  await using world = await new TailWorld().listen();
  const tail = world.tail();
  await world.append(1);
  const empty = linesRecord(app, [], { kind: 'empty', rejected: { malformed: 3 } });
  await world.log.append([empty]);
  await world.log.append([{ ...empty, rejected: {} }]);
  const frames = noticeFrame(notices.malformed(3, 0), 0);
  const notice = { id: 'L17-0-1-2', exceptDrain: undefined };
  await world.log.append([linesRecord(app, [], { kind: 'notice', lines: 1, notice, frames })]);
  await world.append(1);
  await world.until(() => tail.numbers.length === 2);
  const shown = `1970-01-01T00:00:00+00:00 heroku[logplex]: Error L17 (malformed input): 3 messages rejected since 1970-01-01T00:00:00+00:00.`;
  expect(tail.text.split('\n')[1]).toBe(shown);
  expect(tail.lines.length).toBe(3);
});

test('shows the lines of its own app only', async () => {
  await using world = await new TailWorld().listen();
  const tail = world.tail();
  await world.log.append([linesRecord(8, ['other'])]);
  await world.append(1);
  await world.log.append([linesRecord(8, ['other'])]);
  await world.append(1);
  await world.until(() => tail.numbers.length === 2);
  expect(tail.lines).toEqual(['0', '1']);
});

test('splits records that are larger than one write', async () => {
  await using world = await new TailWorld().listen();
  await world.append(1200, 150);
  const tail = world.tail('n=1100');
  await world.until(() => tail.numbers.length === 1100);
  await world.append(1200, 150);
  await world.until(() => tail.numbers.length + tail.dropped >= 2300);
  expect(tail.numbers).toEqual(range(100, 2400));
});

test('serves a client of HTTP/1.0 without chunks, until the connection ends', async () => {
  await using world = await new TailWorld().listen();
  await world.append(2);
  let text = '';
  let isEnded = false;
  const socket = net.connect(world.port, '127.0.0.1', () => {
    socket.write('GET /?follow=False HTTP/1.0\r\n\r\n');
  });
  socket.on('data', (data: Buffer) => (text += data.toString()));
  socket.on('end', () => (isEnded = true));
  await world.until(() => isEnded);
  expect(text).not.toContain('chunked');
  const [, body] = text.split('\r\n\r\n');
  expect(body).toMatch(/^2026-\S+ demo\[web\.1\]: 0\n2026-\S+ demo\[web\.1\]: 1\n$/);
});

test('lets go of everything as soon as the client is gone', async () => {
  await using world = await new TailWorld().listen();
  const tails = [world.tail(), world.tail()];
  await world.until(() => world.metrics.clients === 2);
  expect(world.router.sinks(app)).toBe(1);
  tails[0]?.destroy();
  await world.until(() => world.metrics.clients === 1);
  expect(world.router.sinks(app)).toBe(1);
  tails[1]?.destroy();
  await world.until(() => world.metrics.clients === 0);
  expect(world.router.sinks(app)).toBe(0);
});

test('stops reading history when the client goes in the middle of it', async () => {
  await using world = await new TailWorld().listen();
  await world.append(1000, 1000);
  world.log.holdReads();
  const tail = world.tail('n=1000');
  await world.until(() => world.metrics.clients === 1);
  tail.destroy();
  await world.until(() => world.metrics.clients === 0);
  world.log.releaseReads();
  await world.pass();
  expect(world.log.reads).toBe(1);
});

test('refuses what is too much for the node, before any 200', async () => {
  await using world = await new TailWorld({ sessionsMax: 1 }).listen();
  const first = world.tail();
  await world.until(() => first.status === 200);
  const second = world.tail();
  await world.until(() => second.ended !== undefined);
  expect(second.status).toBe(503);
  expect(JSON.parse(second.text)).toEqual({
    errors: { '': [expect.stringContaining('too many')] },
  });
  first.destroy();
  await world.until(() => world.metrics.clients === 0);
  const third = world.tail();
  await world.until(() => third.status === 200);
});

test('refuses what is too much for the app', async () => {
  await using world = await new TailWorld({ appSessionsMax: 1 }).listen();
  const first = world.tail();
  await world.until(() => first.status === 200);
  const second = world.tail();
  await world.until(() => second.ended !== undefined);
  expect(second.status).toBe(429);
});

test('answers 503 when the log cannot be read, and has forgotten the session', async () => {
  await using world = await new TailWorld({ appSessionsMax: 1 }).listen();
  world.log.bounds = () => Promise.reject(new DependencyError('BUS_UNAVAILABLE', 'gone'));
  const tail = world.tail();
  await world.until(() => tail.ended !== undefined);
  expect(tail.status).toBe(503);
  expect(JSON.parse(tail.text)).toHaveProperty('errors');
  Reflect.deleteProperty(world.log, 'bounds');
  const next = world.tail();
  await world.until(() => next.status === 200);
  await world.append();
  await world.until(() => next.numbers.length === 1);
});

test('waits while the log cannot be read in the middle of history', async () => {
  await using world = await new TailWorld().listen();
  await world.append(3);
  world.log.failRead = new DependencyError('BUS_UNAVAILABLE', 'gone');
  const tail = world.tail();
  await world.until(() => world.log.reads > 0);
  world.log.failRead = undefined;
  await world.until(() => tail.numbers.length === 3);
});

test('cuts the connection, so that it is seen, when the log cannot be read at all', async () => {
  await using world = await new TailWorld().listen();
  await world.append(3);
  world.log.failRead = new Error('a bug');
  const tail = world.tail();
  await world.until(() => tail.ended !== undefined);
  expect(tail.ended).toBe('cut');
});

test('cuts every session of the app when a hole cannot be read at all, and starts afresh', async () => {
  await using world = await new TailWorld().listen();
  const tails = [world.tail(), world.tail()];
  await world.append(1);
  await world.until(() => tails.every(({ numbers }) => numbers.length === 1));
  await world.pass();
  world.router.isPaused = true;
  await world.append(1);
  world.router.isPaused = false;
  world.log.failRead = new Error('a bug');
  await world.append(1);
  await world.until(() => tails.every(({ ended }) => ended === 'cut'));
  world.log.failRead = undefined;
  const next = world.tail();
  await world.until(() => next.numbers.length === 3);
  await world.append(1);
  await world.until(() => next.numbers.length === 4);
});

test('ends the stream when its client may not see the app any more', async () => {
  await using world = await new TailWorld({ authoriseEveryMs: 2000 }).listen();
  const tail = world.tail();
  await world.append(1);
  await world.until(() => tail.numbers.length === 1);
  await world.clock.advance(5000);
  expect(tail.ended).toBeUndefined();
  world.authorised = () => Promise.resolve(false);
  await world.clock.advance(3000);
  await world.append(1);
  await world.until(() => tail.ended !== undefined);
  expect(tail.ended).toBe('end');
  expect(tail.numbers).toEqual([0]);
});

test('goes on while access cannot be judged', async () => {
  await using world = await new TailWorld({ authoriseEveryMs: 2000 }).listen();
  const tail = world.tail();
  await world.until(() => tail.status === 200);
  world.authorised = () =>
    Promise.reject(new DependencyError('REGISTRY_UNAVAILABLE', 'database is down'));
  await world.clock.advance(10_000);
  await world.append(1);
  await world.until(() => tail.numbers.length === 1);
});

test('shutting down shows every durable line before the final chunk, then refuses', async () => {
  await using world = await new TailWorld().listen();
  const tails = [world.tail(), world.tail('n=0'), world.tail()];
  await world.until(() => tails.every(({ status }) => status === 200));
  await world.pass();
  await world.append(5);
  world.router.isPaused = true;
  await world.append(500, 1000);
  await world.close();
  await world.until(() => tails.every(({ ended }) => ended !== undefined));
  for (const tail of tails) {
    expect(tail.ended).toBe('end');
    expect(tail.numbers).toEqual(range(0, 505));
  }
  const late = world.tail();
  await world.until(() => late.ended !== undefined);
  expect(late.status).toBe(503);
});

test('shutting down lets a session finish the history that it is showing', async () => {
  await using world = await new TailWorld().listen();
  await world.append(50);
  world.log.holdReads();
  const following = world.tail('n=40');
  const history = world.tail('n=40&follow=False');
  await world.until(() => world.metrics.clients === 2);
  await world.append(5);
  const closing = world.close();
  await world.pass();
  world.log.releaseReads();
  await closing;
  await world.until(() => following.ended !== undefined && history.ended !== undefined);
  expect([following.ended, history.ended]).toEqual(['end', 'end']);
  expect(following.numbers).toEqual(range(10, 55));
  expect(history.numbers).toEqual(range(10, 50));
});

test('shutting down cuts who has not got everything when the time is over', async () => {
  await using world = await new TailWorld().listen();
  const tail = world.tail();
  await world.until(() => tail.status === 200);
  await world.pass();
  world.router.isPaused = true;
  await world.append(3);
  world.log.holdReads();
  const deadline = new AbortController();
  const closing = world.close(deadline.signal);
  await world.pass();
  expect(tail.ended).toBeUndefined();
  deadline.abort();
  await closing;
  await world.until(() => tail.ended !== undefined);
  expect(tail.ended).toBe('cut');
});

test('tells its numbers to the metrics registry', async () => {
  await using world = await new TailWorld().listen();
  const tails = [world.tail(), world.tail()];
  await world.append(3);
  await world.until(() => tails.every(({ numbers }) => numbers.length === 3));
  const text = await world.registry.metrics();
  expect(text).toContain('spillway_tail_clients 2');
  expect(text).toContain('spillway_tail_messages_total{outcome="sent"} 6');
  expect(text).toContain('spillway_tail_messages_total{outcome="dropped"} 0');
  expect(text).toContain('spillway_tail_slow_cuts_total 0');
  expect(text).toContain('spillway_tail_hole_reads_total 0');
});

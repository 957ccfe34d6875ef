import { expect, test } from 'vitest';
import { range, TailWorld } from './tail-kit.ts';

/** More than the kernel's buffers on both sides of a loopback connection take. */
const floodRecords = 160;
const floodLines = 100;
const paddingBytes = 1000;
const total = floodRecords * floodLines;

async function flood(world: TailWorld): Promise<void> {
  for (let record = 0; record < floodRecords; record++) {
    await world.append(floodLines, paddingBytes);
    await world.clock.advance(20);
  }
}

test('a client that stops reading is told exactly what it lost, and goes on at the live head', async () => {
  await using world = await new TailWorld().listen();
  const tail = world.tail('n=0');
  await world.until(() => tail.status === 200);
  await world.pass();
  tail.pause();
  await flood(world);
  const readsBefore = world.log.reads;
  tail.resume();
  await world.until(() => tail.numbers.length + tail.dropped >= total);
  await world.append(3);
  await world.until(() => tail.numbers.at(-1) === total + 2);
  const { numbers, dropped } = tail;
  expect(dropped).toBeGreaterThan(0);
  expect(numbers.length + dropped).toBe(total + 3);
  expect(world.metrics.droppedMessages).toBe(dropped);
  expect(world.metrics.sentMessages).toBe(numbers.length);
  expect(world.log.reads).toBe(readsBefore);
  // L11 stands where the lines are missing.
  const told = tail.lines.findIndex((line) => line.startsWith('Error L11'));
  expect(numbers.slice(0, told)).toEqual(range(0, told));
  expect(tail.text.split('\n')[told]).toMatch(
    /^2026-01-01T00:00:\d\d\+00:00 logplex\[1\]: Error L11 \(Tail buffer overflow\) -> This tail session dropped \d+ messages since 2026-01-01T00:00:\d\d\+00:00\.$/,
  );
  expect(numbers.slice(told)).toEqual(range(told + dropped, total + 3));
});

test('a slow client takes nothing from a quick one of the same app', async () => {
  await using world = await new TailWorld().listen();
  const [slow, quick] = [world.tail('n=0'), world.tail('n=0')];
  await world.until(() => slow.status === 200 && quick.status === 200);
  await world.pass();
  slow.pause();
  await flood(world);
  await world.until(() => quick.numbers.length >= total);
  expect(quick.numbers).toEqual(range(0, total));
  expect(world.metrics.droppedMessages).toBeGreaterThan(0);
});

test('a slow websocket is told in an object', async () => {
  await using world = await new TailWorld().listen();
  const client = world.websocket('num_lines=0');
  await world.until(() => world.metrics.clients === 1);
  await world.pass();
  client.ws.pause();
  await flood(world);
  client.ws.resume();
  await world.until(() => client.numbers.length + client.dropped >= total);
  expect(client.numbers.length + client.dropped).toBe(total);
  const told = client.messages.find(({ dropped }) => dropped);
  expect(told?.dropped?.since).toMatch(/^2026-01-01T00:00:\d\d\+00:00$/);
});

test('a client that takes nothing for a minute is cut', async () => {
  await using world = await new TailWorld().listen();
  const tail = world.tail('n=0');
  await world.until(() => tail.status === 200);
  await world.pass();
  tail.pause();
  await flood(world);
  await world.clock.advance(55_000);
  expect(world.metrics.clients).toBe(1);
  await world.clock.advance(7000);
  await world.until(() => world.metrics.clients === 0);
  expect(world.metrics.slowCuts).toBe(1);
  tail.resume();
  await world.until(() => tail.ended !== undefined);
  expect(tail.ended).toBe('cut');
});

test('a client that stops in the middle of its history is cut as well', async () => {
  await using world = await new TailWorld({ historyLinesMax: 4 * total }).listen();
  // Several times what the kernel's buffers of both sides take.
  for (let times = 0; times < 4; times++) await flood(world);
  const tail = world.tail(`n=${4 * total}`);
  await world.until(() => tail.status === 200);
  tail.pause();
  // While the kernel's buffers still fill there is progress, and the minute starts anew.
  for (let round = 0; world.metrics.clients > 0 && round < 60; round++) {
    await world.pass(500);
    await world.clock.advance(10_000);
  }
  expect(world.metrics.clients).toBe(0);
  expect(world.metrics.slowCuts).toBe(1);
});

test('a client that takes its time with its history loses none of it', async () => {
  await using world = await new TailWorld({ historyLinesMax: 20_000 }).listen();
  await flood(world);
  const tail = world.tail('n=16000');
  await world.until(() => tail.status === 200);
  tail.pause();
  await world.pass(3000);
  await world.append(5);
  tail.resume();
  await world.until(() => tail.numbers.length >= total + 5);
  expect(tail.numbers).toEqual(range(0, total + 5));
});

test('a quiet client that reads is never cut', async () => {
  await using world = await new TailWorld().listen();
  const tail = world.tail('n=0');
  await world.until(() => tail.status === 200);
  await world.clock.advance(300_000);
  await world.append(1);
  await world.until(() => tail.numbers.length === 1);
});

test('shutting down waits for a slow client only until the time is over', async () => {
  await using world = await new TailWorld().listen();
  const [slow, quick] = [world.tail('n=0'), world.tail('n=0')];
  await world.until(() => slow.status === 200 && quick.status === 200);
  await world.pass();
  slow.pause();
  await flood(world);
  const deadline = new AbortController();
  const closing = world.close(deadline.signal);
  await world.until(() => quick.ended !== undefined);
  expect(quick.ended).toBe('end');
  expect(world.metrics.clients).toBe(1);
  deadline.abort();
  await closing;
  expect(world.metrics.clients).toBe(0);
});

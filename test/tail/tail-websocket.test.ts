import { expect, test } from 'vitest';
import { formatPosition } from '../../src/core/position.ts';
import { DependencyError } from '../../src/core/errors.ts';
import { positionOf, range, TailWorld } from './tail-kit.ts';

test('sends history, then live lines, with their structure, several in one message', async () => {
  await using world = await new TailWorld().listen();
  await world.append(3);
  const client = world.websocket();
  await world.until(() => client.lines.length === 3);
  expect(client.messages.length).toBe(1);
  expect(client.lines[1]).toEqual({
    position: formatPosition(positionOf(world.log, 0, 1)),
    time: '2026-01-01T00:00:00.000000+00:00',
    source: 'demo',
    process: 'web.1',
    severity: 6,
    message: '1',
  });
  await world.append(2);
  await world.append(2);
  await world.until(() => client.lines.length === 7);
  expect(client.numbers).toEqual(range(0, 7));
  expect(client.messages.length).toBeLessThan(4);
});

test('shows plain tails and websockets the same lines', async () => {
  await using world = await new TailWorld().listen();
  const [plain, socket] = [world.tail('n=0'), world.websocket('num_lines=0')];
  await world.until(() => world.metrics.clients === 2);
  await world.pass();
  for (let record = 0; record < 5; record++) await world.append(3);
  await world.until(() => plain.numbers.length === 15 && socket.numbers.length === 15);
  expect(socket.numbers).toEqual(plain.numbers);
});

test('closes after history when not following', async () => {
  await using world = await new TailWorld().listen();
  await world.append(9);
  const client = world.websocket('num_lines=4&follow=False');
  await world.until(() => client.code !== undefined);
  expect(client.code).toBe(1000);
  expect(client.numbers).toEqual(range(5, 9));
});

test('goes on after the last line that the client has', async () => {
  await using world = await new TailWorld().listen();
  await world.append(5);
  await world.append(5);
  const first = world.websocket();
  await world.until(() => first.lines.length === 10);
  for (const seen of [1, 4, 6, 9]) {
    const client = world.websocket(`position=${first.lines[seen]?.position}&follow=false`);
    await world.until(() => client.code !== undefined);
    expect(client.numbers).toEqual(range(seen + 1, 10));
    expect(client.messages.some(({ gap }) => gap)).toBe(false);
  }
});

test('says that there is a gap when retention took lines that the client has not seen', async () => {
  await using world = await new TailWorld().listen();
  for (let record = 0; record < 6; record++) await world.append(2);
  world.log.dropBefore(0, 3);
  const from = formatPosition(positionOf(world.log, 0, 1));
  const client = world.websocket(`position=${from}&follow=false`);
  await world.until(() => client.code !== undefined);
  expect(client.messages[0]).toEqual({
    gap: { from, to: formatPosition(positionOf(world.log, 3)) },
  });
  expect(client.numbers).toEqual(range(6, 12));
});

test('says that there is a gap for a position of another log, and shows the last lines', async () => {
  await using world = await new TailWorld({ historyLines: 3 }).listen();
  await world.append(10);
  for (const from of ['0123456789abcdef-0-0-1', formatPosition(positionOf(world.log, 99))]) {
    const client = world.websocket(`position=${from}&follow=false`);
    await world.until(() => client.code !== undefined);
    expect(client.messages[0]?.gap?.from).toBe(from);
    expect(client.numbers).toEqual([7, 8, 9]);
  }
});

test('counts the gap when a client has missed more than it may be given', async () => {
  await using world = await new TailWorld({ resumeLinesMax: 4 }).listen();
  await world.append(10);
  const from = formatPosition(positionOf(world.log, 0, 1));
  const client = world.websocket(`position=${from}&follow=false`);
  await world.until(() => client.code !== undefined);
  expect(client.messages[0]?.gap).toMatchObject({ from, lines: 4 });
  expect(client.numbers).toEqual(range(6, 10));
});

test.each([
  ['num_lines=abc', 'num_lines'],
  ['num_lines=-1', 'num_lines'],
  ['follow=perhaps', 'follow'],
  ['position=1-2-3', 'position'],
])('refuses ?%s with 422 before the upgrade', async (query, field) => {
  await using world = await new TailWorld().listen();
  const client = world.websocket(query);
  await world.until(() => client.code !== undefined);
  expect(client.status).toBe(422);
  expect(JSON.parse(client.body)).toEqual({ errors: { [field]: [expect.any(String)] } });
});

test('takes a browser’s origin only when it is its own or allowed', async () => {
  await using world = await new TailWorld({ originsAllowed: ['https://console.test'] }).listen();
  const allowed = [`http://127.0.0.1:${world.port}`, 'https://console.test'];
  for (const Origin of allowed) {
    const client = world.websocket('', { Origin });
    await world.until(() => client.ws.readyState === client.ws.OPEN);
  }
  for (const Origin of ['https://evil.test', 'null', `http://127.0.0.1.evil.test`]) {
    const client = world.websocket('', { Origin });
    await world.until(() => client.code !== undefined);
    expect(client.status).toBe(403);
  }
});

test('refuses what is too much, before the upgrade', async () => {
  await using world = await new TailWorld({ appSessionsMax: 1 }).listen();
  const first = world.websocket();
  await world.until(() => world.metrics.clients === 1);
  const second = world.websocket();
  await world.until(() => second.code !== undefined);
  expect(second.status).toBe(429);
  first.destroy();
  await world.until(() => world.metrics.clients === 0);
});

test('asks to be tried again when the log cannot be read', async () => {
  await using world = await new TailWorld().listen();
  world.log.seek = () => Promise.reject(new DependencyError('BUS_UNAVAILABLE', 'gone'));
  const client = world.websocket();
  await world.until(() => client.code !== undefined);
  expect(client.code).toBe(1013);
});

test('pings, and lets go of a peer that does not answer', async () => {
  await using world = await new TailWorld().listen();
  const [alive, dead] = [world.websocket(), world.websocket()];
  await world.until(() => world.metrics.clients === 2);
  // A peer that is gone without a word: nobody reads, nobody answers.
  dead.ws.pause();
  await world.clock.advance(21_000);
  await world.until(() => alive.pings === 1);
  await world.pass();
  await world.clock.advance(21_000);
  await world.until(() => world.metrics.clients === 1);
  await world.until(() => alive.pings === 2);
});

test('answers pings', async () => {
  await using world = await new TailWorld().listen();
  const client = world.websocket();
  let pong = '';
  client.ws.on('pong', (data: Buffer) => (pong = data.toString()));
  await world.until(() => world.metrics.clients === 1);
  client.ws.ping('hello');
  await world.until(() => pong === 'hello');
});

test('ends a client that sends more than it has to say', async () => {
  await using world = await new TailWorld().listen();
  const client = world.websocket();
  await world.until(() => world.metrics.clients === 1);
  client.ws.send('x'.repeat(5000));
  await world.until(() => client.code !== undefined);
  expect(client.code).toBe(1009);
  await world.until(() => world.metrics.clients === 0);
});

test('does not compress', async () => {
  await using world = await new TailWorld().listen();
  const client = world.websocket();
  await world.until(() => client.ws.readyState === client.ws.OPEN);
  expect(client.ws.extensions).toBe('');
});

test('closes when access has ended', async () => {
  await using world = await new TailWorld({ authoriseEveryMs: 2000 }).listen();
  const client = world.websocket();
  await world.until(() => world.metrics.clients === 1);
  world.authorised = () => Promise.resolve(false);
  await world.clock.advance(3000);
  await world.until(() => client.code !== undefined);
  expect(client.code).toBe(1008);
});

test('shutting down sends every durable line, then asks to reconnect', async () => {
  await using world = await new TailWorld().listen();
  const client = world.websocket();
  await world.until(() => world.metrics.clients === 1);
  await world.pass();
  world.router.isPaused = true;
  await world.append(50);
  await world.close();
  await world.until(() => client.code !== undefined);
  expect(client.numbers).toEqual(range(0, 50));
  expect(client.code).toBe(1001);
  expect(client.reason).toContain('reconnect');
});

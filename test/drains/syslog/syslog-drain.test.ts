import { expect, test } from 'vitest';
import { CertificateAuthority, selfSigned } from '../../support/certificates.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';
import { flood, HostileReceiver, silent } from '../../support/hostile-receiver.ts';
import { SyslogReceiver } from '../../support/syslog-receiver.ts';
import {
  authority,
  batch,
  never,
  RecordedEvents,
  syslogDrain,
  textOf,
  type Dial,
} from './syslog-kit.ts';

const written = { kind: 'written' };

test.each([
  ['over TLS', authority.issue()],
  ['over TCP', undefined],
])('batches arrive whole and in order over one connection, %s', async (_, credentials) => {
  await using receiver = await SyslogReceiver.listen(credentials);
  await using drain = syslogDrain(receiver.url);
  for (let offset = 1; offset <= 50; offset++) {
    expect(await drain.deliver(batch(offset, `${offset}a`, `${offset}b`), never)).toEqual(written);
  }
  await receiver.until(() => receiver.messages.length === 100);
  const texts = receiver.messages.map(textOf);
  expect(texts).toEqual(
    Array.from({ length: 50 }, (__, at) => [`${at + 1}a`, `${at + 1}b`]).flat(),
  );
  expect(receiver.connections).toBe(1);
});

test('what was written is confirmed when two seconds have passed, and not before', async () => {
  await using receiver = await SyslogReceiver.listen(authority.issue());
  const clock = new FakeClock();
  const events = new RecordedEvents();
  await using drain = syslogDrain(receiver.url, { clock, events, heldBytes: () => 0 });
  await drain.deliver(batch(1, 'one'), never);
  await clock.advance(1000);
  await drain.deliver(batch(2, 'two'), never);
  await clock.advance(999);
  expect(events.confirmedOffsets).toEqual([]);
  await clock.advance(1);
  expect(events.confirmedOffsets).toEqual([1]);
  await clock.advance(1000);
  expect(events.confirmedOffsets).toEqual([1, 2]);
  expect(events.breaks).toEqual([]);
});

test('what TCP has not had acknowledged is not confirmed, however old it is', async () => {
  await using receiver = await SyslogReceiver.listen();
  const clock = new FakeClock();
  const events = new RecordedEvents();
  const third = batch(3, 'three');
  let heldBytes = third.body.length;
  await using drain = syslogDrain(receiver.url, { clock, events, heldBytes: () => heldBytes });
  await drain.deliver(batch(1, 'one'), never);
  await drain.deliver(batch(2, 'two'), never);
  await clock.advance(100);
  await drain.deliver(third, never);
  await clock.advance(10_000);
  expect(events.confirmedOffsets).toEqual([2]);
  heldBytes = 0;
  await clock.advance(500);
  expect(events.confirmedOffsets).toEqual([2, 3]);
});

test('a receiver that resets breaks the stream, and the unconfirmed is not confirmed later', async () => {
  await using receiver = await SyslogReceiver.listen(authority.issue());
  const clock = new FakeClock();
  const events = new RecordedEvents();
  await using drain = syslogDrain(receiver.url, { clock, events });
  await drain.deliver(batch(1, 'one'), never);
  await receiver.until(() => receiver.messages.length === 1);
  receiver.reset();
  await events.until(() => events.breaks.length > 0);
  expect(events.breaks).toEqual(['closed']);
  await clock.advance(10_000);
  expect(events.confirmedOffsets).toEqual([]);
  expect(await drain.deliver(batch(1, 'one'), never)).toEqual(written);
  await receiver.until(() => receiver.connections === 2);
});

test('a FIN that the receiver sends first confirms nothing', async () => {
  await using receiver = await SyslogReceiver.listen(authority.issue());
  const events = new RecordedEvents();
  await using drain = syslogDrain(receiver.url, { events });
  await drain.deliver(batch(1, 'one'), never);
  await receiver.until(() => receiver.messages.length === 1);
  for (const socket of receiver.open) socket.end();
  await events.until(() => events.breaks.length > 0);
  expect(events).toMatchObject({ breaks: ['closed'], confirmedOffsets: [] });
});

test.each([
  ['over TLS', authority.issue()],
  ['over TCP', undefined],
])(
  'closing waits for the receiver to have read everything, and confirms it, %s',
  async (_, credentials) => {
    await using receiver = await SyslogReceiver.listen(credentials);
    const events = new RecordedEvents();
    const drain = syslogDrain(receiver.url, { events });
    for (let offset = 1; offset <= 20; offset++)
      await drain.deliver(batch(offset, `${offset}`), never);
    await drain.close(never);
    expect(receiver.messages).toHaveLength(20);
    expect(events.lastConfirmed).toBe(20);
    expect(events.breaks).toEqual([]);
  },
);

test('a receiver that ends an idle connection breaks nothing', async () => {
  await using receiver = await SyslogReceiver.listen(authority.issue());
  const clock = new FakeClock();
  const events = new RecordedEvents();
  await using drain = syslogDrain(receiver.url, { clock, events, heldBytes: () => 0 });
  await drain.deliver(batch(1, 'one'), never);
  await clock.advance(2000);
  await receiver.until(() => receiver.messages.length === 1);
  for (const socket of receiver.open) socket.end();
  await receiver.until(() => receiver.open.size === 0);
  expect(await drain.deliver(batch(2, 'two'), never)).toEqual(written);
  await receiver.until(() => receiver.messages.length === 2);
  expect(events).toMatchObject({ breaks: [], confirmedOffsets: [1] });
});

test('closing does not wait longer than it may, and confirms nothing then', async () => {
  await using receiver = await SyslogReceiver.listen();
  receiver.isPaused = true;
  const events = new RecordedEvents();
  const drain = syslogDrain(receiver.url, { events });
  await drain.deliver(batch(1, 'one'), never);
  const abort = new AbortController();
  const closing = drain.close(abort.signal);
  abort.abort();
  await closing;
  expect(events).toMatchObject({ breaks: [], confirmedOffsets: [] });
});

test('a receiver that does not read holds the write, and is given up within 20 s', async () => {
  await using receiver = await SyslogReceiver.listen();
  receiver.isPaused = true;
  const clock = new FakeClock();
  const events = new RecordedEvents();
  await using drain = syslogDrain(receiver.url, { clock, events });
  const large = { ...batch(1), body: Buffer.alloc(64 * 1024 * 1024) };
  let delivery: unknown;
  void drain.deliver(large, never).then((result) => (delivery = result));
  await receiver.until(() => receiver.connections === 1);
  await clock.advance(10_000);
  expect(delivery).toBeUndefined();
  while (delivery === undefined) await clock.advance(500);
  expect(delivery).toEqual({ kind: 'retry', reason: 'timeout' });
  expect(events).toMatchObject({ breaks: [], confirmedOffsets: [] });
});

test('bytes that the peer never acknowledges break the stream, though writing goes on', async () => {
  await using receiver = await SyslogReceiver.listen();
  const clock = new FakeClock();
  const events = new RecordedEvents();
  // Of a peer that is gone, nothing is acknowledged any more.
  let heldBytes = 0;
  await using drain = syslogDrain(receiver.url, { clock, events, heldBytes: () => heldBytes });
  let seconds = 0;
  for (; events.breaks.length === 0 && seconds < 60; seconds++) {
    const next = batch(seconds + 1, 'x');
    heldBytes += next.body.length;
    await drain.deliver(next, never);
    await clock.advance(1000);
  }
  expect(events).toMatchObject({ breaks: ['timeout'], confirmedOffsets: [] });
  expect(seconds).toBeLessThanOrEqual(20);
});

test('giving up a write that is stuck gives up the connection', async () => {
  await using receiver = await SyslogReceiver.listen();
  receiver.isPaused = true;
  const events = new RecordedEvents();
  await using drain = syslogDrain(receiver.url, { events });
  const abort = new AbortController();
  const large = { ...batch(1), body: Buffer.alloc(64 * 1024 * 1024) };
  const delivering = drain.deliver(large, abort.signal);
  await receiver.until(() => receiver.connections === 1);
  abort.abort();
  expect(await delivering).toEqual({ kind: 'retry', reason: 'closed' });
  expect(events.breaks).toEqual([]);
});

test('closing without time leaves nothing that the kernel would still send', async () => {
  await using receiver = await SyslogReceiver.listen();
  const drain = syslogDrain(receiver.url);
  await drain.deliver(batch(1, 'small'), never);
  await receiver.until(() => receiver.messages.length === 1);
  const [socket] = receiver.open;
  socket?.pause();
  const ended = new Promise<unknown>((resolve) => {
    socket?.once('error', resolve).once('end', () => resolve('end'));
  });
  const large = batch(2, ...Array.from({ length: 20_000 }, () => 'x'.repeat(1000)));
  const delivering = drain.deliver(large, never);
  await drain.close(AbortSignal.abort());
  expect(await delivering).toEqual({ kind: 'retry', reason: 'closed' });
  socket?.resume();
  expect(await ended).toMatchObject({ code: 'ECONNRESET' });
  expect(receiver.messages.length).toBeLessThan(large.messages);
});

test('after five hours the connection is renewed between two batches, without loss or repeat', async () => {
  await using receiver = await SyslogReceiver.listen(authority.issue());
  const clock = new FakeClock();
  const events = new RecordedEvents();
  await using drain = syslogDrain(receiver.url, { clock, events, heldBytes: () => 0 });
  await drain.deliver(batch(1, 'one'), never);
  await clock.advance(5 * 3_600_000 - 100);
  await drain.deliver(batch(2, 'two'), never);
  await clock.advance(100);
  expect(await drain.deliver(batch(3, 'three'), never)).toEqual(written);
  await receiver.until(() => receiver.messages.length === 3);
  expect(receiver.messages.map(textOf)).toEqual(['one', 'two', 'three']);
  expect(receiver.connections).toBe(2);
  expect(events.lastConfirmed).toBe(2);
  expect(events.breaks).toEqual([]);
});

test('lines go on over the old connection while its successor is opened, and change over between two batches', async () => {
  await using receiver = await SyslogReceiver.listen(authority.issue());
  const clock = new FakeClock();
  const events = new RecordedEvents();
  const second = Promise.withResolvers<void>();
  let dials = 0;
  const through = (dial: Dial): Dial => {
    return async (...target) => {
      if (++dials === 2) await second.promise;
      return dial(...target);
    };
  };
  await using drain = syslogDrain(receiver.url, { clock, events, through, heldBytes: () => 0 });
  await drain.deliver(batch(1, '1'), never);
  await clock.advance(5 * 3_600_000 - 600_001);
  await drain.deliver(batch(2, '2'), never);
  expect(dials).toBe(1);
  await clock.advance(1);
  for (const n of [3, 4, 5]) {
    expect(await drain.deliver(batch(n, String(n)), never)).toEqual(written);
  }
  expect([dials, receiver.connections]).toEqual([2, 1]);
  second.resolve();
  await receiver.until(() => receiver.connections === 2);
  await settle();
  expect(await drain.deliver(batch(6, '6'), never)).toEqual(written);
  await receiver.until(() => receiver.open.size === 1);
  await receiver.until(() => receiver.messages.length === 6);
  expect(receiver.messages.map(textOf)).toEqual(['1', '2', '3', '4', '5', '6']);
  expect(events).toMatchObject({ breaks: [], lastConfirmed: 5 });
  await clock.advance(3_600_000);
  await drain.deliver(batch(7, '7'), never);
  expect(dials).toBe(2);
});

test('a renewal that fails is tried every minute, and the old connection ends at its age', async () => {
  await using receiver = await SyslogReceiver.listen(authority.issue());
  const clock = new FakeClock();
  const events = new RecordedEvents();
  let dials = 0;
  let isDown = false;
  const through = (dial: Dial): Dial => {
    return (...target) => {
      dials++;
      return isDown ? Promise.resolve({ ok: false, failure: { reason: 'dns' } }) : dial(...target);
    };
  };
  await using drain = syslogDrain(receiver.url, { clock, events, through, heldBytes: () => 0 });
  await drain.deliver(batch(1, 'x'), never);
  isDown = true;
  await clock.advance(5 * 3_600_000 - 600_000);
  for (let minute = 0; minute < 10; minute++) {
    expect(await drain.deliver(batch(2 + 2 * minute, 'x'), never)).toEqual(written);
    expect(await drain.deliver(batch(3 + 2 * minute, 'x'), never)).toEqual(written);
    expect(dials).toBe(2 + minute);
    await clock.advance(60_000);
  }
  expect(await drain.deliver(batch(22, 'x'), never)).toEqual({ kind: 'retry', reason: 'dns' });
  expect(events).toMatchObject({ breaks: [], lastConfirmed: 21 });
  await receiver.until(() => receiver.open.size === 0);
  isDown = false;
  expect(await drain.deliver(batch(22, 'x'), never)).toEqual(written);
});

test('a successor that its receiver ends, or that nobody needs any more, is not kept', async () => {
  await using receiver = await SyslogReceiver.listen();
  const clock = new FakeClock();
  const drain = syslogDrain(receiver.url, { clock, heldBytes: () => 0 });
  await drain.deliver(batch(1, '1'), never);
  await clock.advance(5 * 3_600_000 - 600_000);
  await drain.deliver(batch(2, '2'), never);
  await receiver.until(() => receiver.connections === 2);
  [...receiver.open].at(-1)?.resetAndDestroy();
  await receiver.until(() => receiver.open.size === 1);
  await settle();
  expect(await drain.deliver(batch(3, '3'), never)).toEqual(written);
  expect(receiver.connections).toBe(2);
  await clock.advance(60_000);
  await drain.deliver(batch(4, '4'), never);
  await receiver.until(() => receiver.connections === 3);
  await settle();
  await drain.close(never);
  await receiver.until(() => receiver.open.size === 0);
  expect(receiver.messages.map(textOf)).toEqual(['1', '2', '3', '4']);
});

test('a receiver that talks is not listened to for ever', async () => {
  await using receiver = await HostileReceiver.listen(flood(''));
  const events = new RecordedEvents();
  await using drain = syslogDrain(`syslog://127.0.0.1:${receiver.port}`, { events });
  await drain.deliver(batch(1, 'one'), never);
  await events.until(() => events.breaks.length > 0);
  expect(events.breaks).toEqual(['protocol']);
  await receiver.until(() => receiver.open.size === 0);
});

test('a little talk is ignored', async () => {
  await using receiver = await HostileReceiver.listen((socket) => socket.resume().write('hello\n'));
  const events = new RecordedEvents();
  await using drain = syslogDrain(`syslog://127.0.0.1:${receiver.port}`, { events });
  expect(await drain.deliver(batch(1, 'one'), never)).toEqual(written);
  expect(await drain.deliver(batch(2, 'two'), never)).toEqual(written);
  expect(events.breaks).toEqual([]);
});

test('a certificate that is refused is a retry with its reason, and no byte of a log is sent', async () => {
  await using receiver = await SyslogReceiver.listen(selfSigned());
  await using drain = syslogDrain(receiver.url);
  expect(await drain.deliver(batch(1, 'one'), never)).toEqual({
    kind: 'retry',
    reason: 'tls',
    certificate: 'self-signed',
  });
  await using trusting = syslogDrain(`${receiver.url}#insecure`);
  expect(await trusting.deliver(batch(1, 'one'), never)).toEqual(written);
});

test('a receiver that never shakes hands is given up', async () => {
  await using receiver = await HostileReceiver.listen(silent);
  const clock = new FakeClock();
  await using drain = syslogDrain(`syslog+tls://127.0.0.1:${receiver.port}`, { clock });
  const delivering = drain.deliver(batch(1, 'one'), never);
  await receiver.until(() => receiver.heard > 0);
  await clock.advance(10_000);
  expect(await delivering).toEqual({ kind: 'retry', reason: 'timeout' });
  await receiver.until(() => receiver.open.size === 0);
});

test('an idle connection is kept, and has no timer', async () => {
  await using receiver = await SyslogReceiver.listen();
  const clock = new FakeClock();
  const events = new RecordedEvents();
  await using drain = syslogDrain(receiver.url, { clock, events, heldBytes: () => 0 });
  await drain.deliver(batch(1, 'one'), never);
  await clock.advance(2000);
  expect(events.confirmedOffsets).toEqual([1]);
  await clock.advance(4 * 3_600_000);
  expect(await drain.deliver(batch(2, 'two'), never)).toEqual(written);
  expect(receiver.connections).toBe(1);
});

test('a receiver that wants a certificate of ours says so after the handshake, in words of L14', async () => {
  const asking = { ...authority.issue(), requestCert: true, ca: new CertificateAuthority().pem };
  await using receiver = await SyslogReceiver.listen(asking);
  const events = new RecordedEvents();
  await using drain = syslogDrain(receiver.url, { events });
  const certificate = 'client certificate required';
  const delivery = await drain.deliver(batch(1, 'one'), never);
  if (delivery.kind === 'retry') {
    expect(delivery).toEqual({ kind: 'retry', reason: 'tls', certificate });
  } else {
    await events.until(() => events.breaks.length > 0);
    expect(events).toMatchObject({ breaks: ['tls'], certificates: [certificate] });
  }
  expect(receiver.messages).toEqual([]);
});

test('a connection that broke before the drain had it is a failed attempt', async () => {
  await using receiver = await SyslogReceiver.listen(authority.issue());
  const events = new RecordedEvents();
  const through =
    (dial: Dial): Dial =>
    async (...to) => {
      const result = await dial(...to);
      if (result.ok) result.dialled.stream.destroy();
      return result;
    };
  await using drain = syslogDrain(receiver.url, { events, through });
  expect(await drain.deliver(batch(1, 'one'), never)).toEqual({ kind: 'retry', reason: 'closed' });
  expect(events.breaks).toEqual([]);
});

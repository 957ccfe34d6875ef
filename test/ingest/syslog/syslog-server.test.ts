import { readFileSync } from 'node:fs';
import { join } from 'node:path';
import { setTimeout as pause } from 'node:timers/promises';
import { expect, test } from 'vitest';
import { recordFramesBytesMax } from '../../../src/core/record.ts';
import { DependencyError } from '../../../src/core/errors.ts';
import { settle } from '../../support/fake-clock.ts';
import { CertificateAuthority } from '../../support/certificates.ts';
import { post, until } from '../ingest-harness.ts';
import {
  apps,
  makeServer,
  message,
  octets,
  openDoor,
  storedAs,
  tokens,
  type Door,
} from './syslog-kit.ts';

const closed = 'spillway_syslog_closed_connections_total';

test('octet-counted and LF-framed messages of one connection are stored in order, the token nowhere', async () => {
  await using door = await openDoor();
  door.send(octets(message('one\n')), `${message('two')}\n`, octets(message('three'))).end();
  const text = await door.stored(3);
  expect(text).toBe(storedAs('one\n') + storedAs('two') + storedAs('three'));
  for (const record of await door.records()) {
    expect(record).toMatchObject({ kind: 'lines', requestKey: undefined, rejected: {} });
  }
  expect(await door.harness.metric('spillway_accepted_messages_total')).toBe(3);
});

test('the token may be in STRUCTURED-DATA, from which it is taken, and APP-NAME stays', async () => {
  await using door = await openDoor();
  const head = '<14>1 2026-01-01T00:00:00Z pod nginx 12 ID';
  door.send(
    `${head} [spillway@32473 token="${tokens.demo}"] one\n`,
    `${head} [a@1 b="c"][x@1 logplex_token="${tokens.demo}"] two\n`,
  );
  const text = await door.stored(2);
  expect(text).toBe(octets(`${head} - one`) + octets(`${head} [a@1 b="c"] two`));
});

test('BSD messages are stored as RFC 5424, with the token in TAG', async () => {
  await using door = await openDoor();
  door.send(`<13>Jan  1 00:00:01 pod ${tokens.demo}[web.1]: hello\n`);
  expect(await door.stored(1)).toBe(
    octets('<13>1 2026-01-01T00:00:01+00:00 pod demo web.1 - - hello'),
  );
  expect(await door.metric('spillway_syslog_messages_total', { format: 'rfc3164' })).toBe(1);
});

test('the examples in docs/protocol.md are true', async () => {
  const file = join(import.meta.dirname, '../../../docs/protocol.md');
  const section = readFileSync(file, 'utf8').split('\n## In: syslog')[1] ?? '';
  const [sent = [], stored = []] = [...section.matchAll(/```\n([^]*?)```/g)].map(([, text = '']) =>
    text.trimEnd().split('\n'),
  );
  expect([sent.length, stored.length]).toEqual([3, 3]);
  await using door = await openDoor();
  door.send(sent.join('').replaceAll('␊', '\n'));
  expect(await door.stored(3)).toBe(stored.join(''));
});

test('one connection may carry several apps; each has its lines in order', async () => {
  await using door = await openDoor();
  const lines = Array.from({ length: 500 }, (_, n) => {
    const token = n % 3 === 0 ? tokens.other : tokens.demo;
    return octets(message(`n=${n}\n`, token));
  });
  door.send(lines.join(''));
  const demo = await door.stored(333);
  const other = await door.stored(167, apps.other);
  const numbers = (text: string): number[] =>
    [...text.matchAll(/n=(\d+)/g)].map(([, n]) => Number(n));
  expect(numbers(demo)).toEqual(Array.from({ length: 500 }, (_, n) => n).filter((n) => n % 3 > 0));
  expect(numbers(other)).toEqual(Array.from({ length: 167 }, (_, n) => n * 3));
  expect(demo + other).not.toContain('t.');
  expect(other).toContain(' other web.1 ');
});

test('records are bounded, however fast lines come', async () => {
  await using door = await openDoor();
  const line = `${message('x'.repeat(8000))}\n`;
  door.send(line.repeat(200)).end();
  await door.stored(200);
  for (const { frames } of await door.records()) {
    expect(frames.length).toBeLessThanOrEqual(recordFramesBytesMax);
  }
});

test('good messages are kept beside bad ones, which are counted for the app and in its record', async () => {
  await using door = await openDoor();
  door.send(`${message('one')}\n  at stack.trace\n<192>1 - - - - - -\n${message('two')}\n`);
  expect(await door.stored(2)).toBe(storedAs('one') + storedAs('two'));
  const rejected = (await door.records()).map((record) => record.rejected['malformed'] ?? 0);
  expect(rejected.reduce((a, b) => a + b)).toBe(2);
  expect(
    await door.harness.metric('spillway_rejected_messages_total', { reason: 'malformed' }),
  ).toBe(2);
  expect(await door.metric('spillway_syslog_messages_total', { format: 'malformed' })).toBe(2);
});

test('what is cut off at the end is broken, but a last line without LF is whole', async () => {
  await using door = await openDoor();
  await door
    .send(`${message('one')}\n`, message('two'))
    .end()
    .ended();
  expect(await door.stored(2)).toBe(storedAs('one') + storedAs('two'));
  await door
    .send(octets(message('three')), octets(message('four')).slice(0, -1))
    .end()
    .ended();
  expect(await door.stored(3)).not.toContain('four');
  expect(
    await door.harness.metric('spillway_rejected_messages_total', { reason: 'malformed' }),
  ).toBe(1);
  expect(await door.metric(closed, { reason: 'ended' })).toBe(2);
});

test.each([
  ['octet-counted', (text: string): string => octets(message(`${text}\n`))],
  ['LF-framed', (text: string): string => `${message(text)}\n`],
])(
  'a long text, %s, is cut where a request would cut it, in whatever pieces it comes',
  async (_, framed) => {
    await using door = await openDoor();
    const text = `${'x'.repeat(10_239)}€${'z'.repeat(300_000)}`;
    const sender = door.send();
    const bytes = Buffer.from(framed(text) + framed('after'));
    for (let at = 0; at < bytes.length; at += 7001) {
      sender.send(bytes.subarray(at, at + 7001));
      await settle();
    }
    const stored = await door.stored(2);
    const cut = Buffer.byteLength(text) - 10_239;
    expect(stored).toContain(`${'x'.repeat(10_239)} [… ${cut} bytes cut]`);
    expect(stored).not.toContain('z');
    expect(stored).toContain(' - - after');
    expect(await door.harness.metric('spillway_ingest_cut_messages_total')).toBe(1);
  },
);

test('beyond its rate an app loses lines, exactly counted in the log', async () => {
  await using door = await openDoor({}, { appMessagesPerSecond: 1, appBurstMessagesMax: 10 });
  const sender = door.send(octets(message('x')).repeat(10));
  await door.stored(10);
  sender.send(octets(message('x')).repeat(7));
  await untilSo(async () => (await limited(door)) === 7);
  const records = await door.records();
  expect(records.at(-1)).toMatchObject({ kind: 'empty', rejected: { rate_limited: 7 } });
});

async function limited(door: Door): Promise<number> {
  return door.harness.metric('spillway_rejected_messages_total', { reason: 'rate_limited' });
}

test('messages without a valid token belong to nobody, and too many of them end the connection', async () => {
  await using door = await openDoor({ unauthorisedMessagesMax: 3 });
  const sender = door.send(
    `${message('a', 'nginx')}\n`,
    `${message('b', tokens.unknown)}\n`,
    'no message\n',
  );
  await untilSo(async () => (await messages(door)) === 3);
  await settle();
  expect(sender.isClosed).toBe(false);
  sender.send(`${message('c', tokens.unknown)}\n${message('late')}\n`);
  await sender.ended();
  expect(await door.metric(closed, { reason: 'unauthorised' })).toBe(1);
  const unauthorised = 'spillway_syslog_auth_failures_total';
  expect(await door.metric(unauthorised, { reason: 'missing' })).toBe(1);
  expect(await door.metric(unauthorised, { reason: 'unknown' })).toBe(2);
  expect(await door.harness.records()).toEqual([]);
});

function messages(door: Door): Promise<number> {
  return door.metric('spillway_syslog_messages_total');
}

test('so do too many bytes, and ten seconds', async () => {
  await using door = await openDoor();
  const loud = door.send(`${'x'.repeat(70_000)}\n`);
  await loud.ended();
  const silent = door.send();
  const partial = door.send('<13>1 ');
  const valid = door.send(octets(message('hello')));
  await door.stored(1);
  await untilSo(async () => (await door.metric('spillway_syslog_connections')) === 3);
  await door.harness.clock.advance(9_000);
  expect([silent.isClosed, partial.isClosed]).toEqual([false, false]);
  await door.harness.clock.advance(2_000);
  await Promise.all([silent.ended(), partial.ended()]);
  expect(await door.metric(closed, { reason: 'unauthorised' })).toBe(3);
  expect(valid.isClosed).toBe(false);
});

test('one read asks the registry for no more tokens than the bound', async () => {
  await using door = await openDoor();
  const lines = Array.from({ length: 600 }, (_, n) => octets(message('x', `t.${n}`)));
  await door.send(lines.join('')).ended();
  expect(door.directory.asked).toBeLessThanOrEqual(102);
});

test('a token that is revoked ends a connection only when nothing valid comes beside it', async () => {
  await using door = await openDoor();
  const relay = door.send(octets(message('first')));
  await door.stored(1);
  door.directory.isEmpty = true;
  door.harness.ingest.tokensChanged();
  relay.send(octets(message('revoked')).repeat(200));
  await untilSo(async () => (await messages(door)) === 201);
  await door.harness.clock.advance(9_000);
  expect(relay.isClosed).toBe(false);
  await door.harness.clock.advance(2_000);
  await relay.ended();
  expect(await door.metric(closed, { reason: 'unauthorised' })).toBe(1);
});

test('a registry that cannot judge now is waited for, without counting that time, and nothing is read', async () => {
  await using door = await openDoor();
  door.directory.isDown = true;
  const sender = door.send(octets(message('waits')));
  await untilSo(async () => (await door.metric('spillway_syslog_waiting_connections')) === 1);
  await door.harness.clock.advance(60_000);
  expect(sender.isClosed).toBe(false);
  expect(await door.harness.records()).toEqual([]);
  door.directory.isDown = false;
  await door.harness.clock.advance(2_000);
  expect(await door.stored(1)).toBe(storedAs('waits'));
  await door.harness.clock.advance(9_000);
  expect(sender.isClosed).toBe(false);
});

test('while the log does not take lines the sender is not read, and then everything is there, in order', async () => {
  await using door = await openDoor();
  const { log } = door.harness;
  log.isStopped = true;
  const count = 40_000;
  const sender = door.send();
  let written = 0;
  sender.socket.on('drain', () => write());
  const write = (): void => {
    while (
      written < count &&
      sender.socket.write(octets(message(`n=${written++} ${'x'.repeat(200)}`)))
    );
  };
  write();
  await until(() => log.waiting === 1);
  // Real time: what is not read shows only in what does not happen.
  await pause(200);
  expect(log.waiting).toBe(1);
  const readBytes = await door.metric('spillway_syslog_received_bytes_total');
  expect(readBytes).toBeLessThanOrEqual(256 << 10);
  expect(written).toBeLessThan(count);
  log.letGo();
  const text = await door.stored(count);
  const numbers = [...text.matchAll(/n=(\d+) /g)].map(([, n]) => Number(n));
  expect(numbers).toEqual(Array.from({ length: count }, (_, n) => n));
});

test('a log that is down or refuses is tried again until it takes the lines', async () => {
  await using door = await openDoor();
  const { log, clock } = door.harness;
  log.down = 'the disk is full';
  door.send(octets(message('one')));
  await untilSo(async () => (await door.metric('spillway_syslog_waiting_connections')) === 1);
  await clock.advance(30_000);
  log.refuse = new DependencyError('BUS_UNAVAILABLE', 'no');
  log.down = undefined;
  await clock.advance(30_000);
  expect(await door.harness.records()).toEqual([]);
  log.refuse = undefined;
  await clock.advance(100);
  expect(await door.stored(1)).toBe(storedAs('one'));
});

test('an app has one share at all doors: while its lines wait, those of others pass', async () => {
  await using door = await openDoor({}, { bytesInFlightMax: 8 * 2000 });
  const { log, clock } = door.harness;
  log.isStopped = true;
  const large = octets(message('x'.repeat(1500)));
  door.send(large);
  await until(() => log.waiting === 1);
  door.send(octets(message('second '.repeat(100))));
  await untilSo(async () => (await door.metric('spillway_syslog_waiting_connections')) === 2);
  await clock.advance(1000);
  expect(log.waiting).toBe(1);
  door.send(octets(message('of another app', tokens.other)));
  await until(() => log.waiting === 2);
  expect(await door.harness.metric('spillway_ingest_in_flight_bytes')).toBeGreaterThan(1500);
  log.letGo();
  await door.stored(1, apps.other);
  await clock.advance(100);
  await door.stored(2);
  expect((await post({ port: door.harness.port }, octets(message('over HTTP'))))?.status).toBe(204);
});

test("our FIN says that everything before the sender's is durable", async () => {
  await using door = await openDoor();
  const { log } = door.harness;
  log.isStopped = true;
  const sender = door.send(octets(message('one')), octets(message('two'))).end();
  await until(() => log.waiting === 1);
  await pause(50);
  expect(sender.hasEnded).toBe(false);
  log.letGo();
  await sender.ended();
  expect(await door.stored(2)).toBe(storedAs('one') + storedAs('two'));
});

test('what arrived before a sender reset its connection is stored', async () => {
  await using door = await openDoor();
  const { log } = door.harness;
  log.isStopped = true;
  const sender = door.send(octets(message('n=0')));
  await until(() => log.waiting === 1);
  sender.send(
    octets(message('x'.repeat(100))).repeat(100),
    octets(message('cut off')).slice(0, -1),
  );
  await pause(50);
  sender.socket.resetAndDestroy();
  await pause(50);
  log.letGo();
  await door.stored(101);
  await untilSo(async () => (await door.metric(closed, { reason: 'failed' })) === 1);
  expect(
    await door.harness.metric('spillway_rejected_messages_total', { reason: 'malformed' }),
  ).toBe(1);
});

test('a stop reads what was on its way, stores what is whole, and ends the connection', async () => {
  await using door = await openDoor();
  const { log } = door.harness;
  const polite = door.send(octets(message('polite 1')));
  await door.stored(1);
  log.isStopped = true;
  polite.send(octets(message('polite 2')));
  await until(() => log.waiting === 1);
  const close = door.server.close(new AbortController().signal);
  await polite.ended();
  polite.send(octets(message('polite 3')), octets(message('half')).slice(0, 20)).end();
  await pause(20);
  log.letGo();
  await close;
  expect(await door.stored(3)).toContain('polite 3');
  expect(await door.metric(closed, { reason: 'stopped' })).toBe(1);
  expect(await door.metric('spillway_syslog_connections')).toBe(0);
});

test('a sender that does not see the end is cut after a while, and waiting ends too', async () => {
  await using door = await openDoor();
  const deaf = door.send(octets(message('one')));
  await door.stored(1);
  const waiting = door.send(octets(message('two', tokens.other)));
  await door.stored(1, apps.other);
  door.harness.log.down = 'the disk is full';
  waiting.send(octets(message('three', tokens.other)));
  await untilSo(async () => (await door.metric('spillway_syslog_waiting_connections')) === 1);
  const close = door.server.close(new AbortController().signal);
  await settle();
  expect(deaf.isClosed).toBe(false);
  await door.harness.clock.advance(2_000);
  await close;
  await Promise.all([deaf.ended(), waiting.ended()]);
  expect(await door.metric(closed, { reason: 'stopped' })).toBe(2);
});

test('an idle connection is ended, and what comes meanwhile is stored', async () => {
  await using door = await openDoor({ idleMsMax: 60_000 });
  const sender = door.send(octets(message('one')));
  await door.stored(1);
  await door.harness.clock.advance(61_000);
  await sender.ended();
  sender.send(octets(message('crossed'))).end();
  expect(await door.stored(2)).toContain('crossed');
  await untilSo(async () => (await door.metric(closed, { reason: 'idle' })) === 1);
});

test('connections beyond the bound are refused and counted', async () => {
  await using door = await openDoor({ connectionsMax: 1 });
  const first = door.send(octets(message('one')));
  await door.stored(1);
  await door.send(octets(message('two'))).ended();
  await untilSo(async () => (await door.metric(closed, { reason: 'full' })) === 1);
  expect(first.isClosed).toBe(false);
});

test('a message without end ends its connection, and is malformed', async () => {
  await using door = await openDoor({ pendingBytesMax: 200_000 });
  const sender = door.send(octets(message('one')), 'x'.repeat(300_000));
  await sender.ended();
  expect(await door.metric(closed, { reason: 'overlong' })).toBe(1);
  expect(await door.stored(1)).toBe(storedAs('one'));
  const rejected = await door.harness.metric('spillway_rejected_messages_total', {
    reason: 'malformed',
  });
  expect(rejected).toBe(1);
});

test('over TLS 1.2 and 1.3 it is the same; older versions and other protocols are refused and counted', async () => {
  const authority = new CertificateAuthority();
  await using door = await openDoor({ tls: authority.issue() });
  expect(door.url).toMatch(/^syslog\+tls:/);
  const trusting = { ca: authority.pem };
  for (const version of ['TLSv1.2', 'TLSv1.3'] as const) {
    const sender = door.sendTls(
      { ...trusting, minVersion: version, maxVersion: version },
      octets(message(version)),
    );
    await untilSo(async () =>
      (await door.records()).some(({ frames }) => frames.includes(version)),
    );
    sender.end();
    await sender.ended();
  }
  const old = door.sendTls({
    ...trusting,
    maxVersion: 'TLSv1.1',
    minVersion: 'TLSv1',
    ciphers: 'DEFAULT@SECLEVEL=0',
  });
  await until(() => old.isClosed);
  door.send(`${message('in clear')}\n`);
  await untilSo(async () => (await door.metric(closed, { reason: 'handshake' })) === 2);
  expect(await door.stored(2)).toBe(storedAs('TLSv1.2') + storedAs('TLSv1.3'));
});

test('a stop reads what was on its way over TLS, too', async () => {
  const authority = new CertificateAuthority();
  await using door = await openDoor({ tls: authority.issue() });
  const sender = door.sendTls(
    { ca: authority.pem, allowHalfOpen: true } as object,
    octets(message('one')),
  );
  await door.stored(1);
  const close = door.server.close(new AbortController().signal);
  await sender.ended();
  sender.send(octets(message('two'))).end();
  await close;
  expect(await door.stored(2)).toContain('two');
});

test('certificate and key must belong together', () => {
  const authority = new CertificateAuthority();
  const { cert } = authority.issue();
  const { key } = authority.issue();
  expect(() => makeServer({ tls: { cert, key } })).toThrow(/key values mismatch/);
  for (const tls of [
    { cert: '', key },
    { cert, key: '' },
    { cert: '', key: '' },
  ]) {
    expect(() => makeServer({ tls })).toThrow('one of them is empty');
  }
});

/** Turns of the loop until something that has to be asked for is so. */
async function untilSo(isSo: () => Promise<boolean>): Promise<void> {
  for (let turn = 0; !(await isSo()); turn++) {
    if (turn > 20_000) throw new Error('it did not happen');
    await new Promise((resolve) => setImmediate(resolve));
  }
}

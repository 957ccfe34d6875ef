import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { appId, drainId } from '../../../src/core/ids.ts';
import type { DrainEvent } from '../../../src/drains/events/drain-event.ts';
import { EventCourier } from '../../../src/drains/events/event-courier.ts';
import { EventMetrics } from '../../../src/drains/events/event-metrics.ts';
import { FakeClock, settle } from '../../support/fake-clock.ts';
import { silentLogger } from '../../support/silent-logger.ts';

const options = {
  way: 'webhook',
  pendingMax: 3,
  triesMax: 3,
  retryBaseMs: 1000,
  retryMsMax: 10_000,
  sendMsMax: 5000,
  intervalMs: 60_000,
  remembersMax: 100,
} as const;

const held = (drain = 1, kind: DrainEvent['kind'] = 'held'): DrainEvent => ({
  kind,
  drain: drainId(drain),
  app: appId(1),
  maskedUrl: 'https://ex.com/',
  reason: 'http_4xx',
  status: 401,
  atMs: 0,
});

function courierKit(send: (event: DrainEvent, signal: AbortSignal) => Promise<void>) {
  const clock = new FakeClock();
  const registry = new Registry();
  const sent: DrainEvent[] = [];
  const courier = new EventCourier(options, {
    send: (event, signal) => {
      sent.push(event);
      return send(event, signal);
    },
    clock,
    chance: { fraction: () => 1, bytes: (n) => Buffer.alloc(n), uuid: () => '' },
    logger: silentLogger,
    metrics: new EventMetrics(registry),
  });
  const results = async (): Promise<Record<string, number>> => {
    const metric = await registry.getSingleMetric('spillway_drain_events_total')?.get();
    const rows = metric?.values.filter(({ labels }) => labels['way'] === 'webhook') ?? [];
    return Object.fromEntries(rows.map(({ labels, value }) => [String(labels['result']), value]));
  };
  return { courier, clock, sent, results };
}

test('an event that does not get there is tried again, a few times', async () => {
  let failures = 2;
  const { courier, clock, sent, results } = courierKit(() =>
    failures-- > 0 ? Promise.reject(new Error('no')) : Promise.resolve(),
  );
  courier.tell(held());
  await settle();
  expect(sent).toHaveLength(1);
  await clock.advance(1000);
  await clock.advance(2000);
  expect(sent).toHaveLength(3);
  expect(await results()).toEqual({ sent: 1, failed: 0, dropped: 0 });
});

test('after the last try it is given up', async () => {
  const { courier, clock, sent, results } = courierKit(() => Promise.reject(new Error('no')));
  courier.tell(held());
  await clock.advance(60_000);
  expect(sent).toHaveLength(3);
  expect(await results()).toEqual({ sent: 0, failed: 1, dropped: 0 });
});

test('a try that takes too long has failed, and its signal says so', async () => {
  const signals: AbortSignal[] = [];
  const { courier, clock, sent } = courierKit((_, signal) => {
    signals.push(signal);
    return new Promise(() => undefined);
  });
  courier.tell(held());
  await clock.advance(4999);
  expect(signals[0]?.aborted).toBe(false);
  await clock.advance(1001);
  expect(signals[0]?.aborted).toBe(true);
  expect(sent).toHaveLength(2);
});

test('one drain and kind is told of once in a while, whatever others do', async () => {
  const { courier, clock, sent } = courierKit(() => Promise.resolve());
  for (const event of [held(), held(), held(2), held(1, 'recovered'), held()]) courier.tell(event);
  expect(sent.map(({ drain, kind }) => [drain, kind])).toEqual([
    [1, 'held'],
    [2, 'held'],
    [1, 'recovered'],
  ]);
  await clock.advance(60_000);
  courier.tell(held());
  expect(sent).toHaveLength(4);
});

test('no more than so many are on their way; the others are dropped, and counted', async () => {
  const { courier, results, sent } = courierKit(() => new Promise(() => undefined));
  for (let drain = 1; drain <= 5; drain++) courier.tell(held(drain));
  expect(sent).toHaveLength(3);
  expect((await results())['dropped']).toBe(2);
});

test('the close waits for what is on its way, not for another try, and not for ever', async () => {
  const sending = Promise.withResolvers<void>();
  const { courier, sent } = courierKit(({ drain }) =>
    drain === 1 ? Promise.reject(new Error('no')) : sending.promise,
  );
  courier.tell(held(1));
  courier.tell(held(2));
  await settle();
  let isClosed = false;
  const limit = new AbortController();
  const closing = courier.close(limit.signal).then(() => (isClosed = true));
  courier.tell(held(3));
  await settle();
  expect(isClosed).toBe(false);
  sending.resolve();
  await closing;
  expect(sent).toHaveLength(2);

  const stuck = courierKit(() => new Promise(() => undefined));
  stuck.courier.tell(held());
  await stuck.courier.close(AbortSignal.abort());
});

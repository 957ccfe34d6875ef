import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { AppTail } from '../../src/tail/app-tail.ts';
import { FlushTick } from '../../src/tail/flush-tick.ts';
import type { LineBatch } from '../../src/tail/line-batch.ts';
import type { EndReason, Outlet, OutletListener } from '../../src/tail/outlet.ts';
import { TailMetrics } from '../../src/tail/tail-metrics.ts';
import { TailSession } from '../../src/tail/tail-session.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { linesRecord } from '../support/records.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { app, FakeRouter, GatedLog, positionOf } from './tail-kit.ts';

/** A client of which the test says when it takes what was written. */
class FakeOutlet implements Outlet {
  readonly written: string[] = [];
  isSlow: boolean;
  unsent = 0;
  ended: EndReason | undefined;
  isDestroyed = false;
  readonly #listener: OutletListener;

  constructor(listener: OutletListener, isSlow: boolean) {
    this.#listener = listener;
    this.isSlow = isSlow;
  }

  encode(batch: LineBatch): Buffer {
    return batch.text();
  }

  write(bytes: Buffer): boolean {
    const texts = bytes.toString().matchAll(/\]: (\S+)/g);
    this.written.push([...texts].map(([, text]) => text).join(' '));
    if (this.isSlow) this.unsent += bytes.length;
    return !this.isSlow;
  }

  writeDropped(count: number, sinceMs: number): void {
    this.written.push(`dropped ${count} since ${sinceMs}`);
  }

  unsentBytes(): number {
    return this.unsent;
  }

  progress(): number {
    return this.unsent;
  }

  tend(): void {}

  end(reason: EndReason): void {
    this.ended = reason;
  }

  destroy(): void {
    this.isDestroyed = true;
    this.#listener.onClosed();
  }

  /** The client has taken everything. */
  drain(): void {
    this.unsent = 0;
    this.#listener.onDrained();
  }
}

interface World {
  clock: FakeClock;
  log: GatedLog;
  session: TailSession;
  outlet: FakeOutlet;
  metrics: TailMetrics;
  append: (...texts: string[]) => Promise<void>;
}

/** A live session of which `queueLines` lines of ten bytes fit into the queue. */
async function makeWorld(
  queueLines: number,
  { history = [] as readonly string[], isSlow = false } = {},
): Promise<World> {
  const clock = new FakeClock(0);
  const log = new GatedLog();
  const router = new FakeRouter(log);
  const metrics = new TailMetrics(new Registry());
  const parts = { bus: log, clock, metrics, logger: silentLogger };
  const tick = new FlushTick({ coalesceMs: 20 }, { clock });
  const attach = router.attach.bind(router);
  const live = new AppTail({ app, queueBytesMax: 1e6 }, { ...parts, tick, attach });
  const append = async (...texts: string[]): Promise<void> => {
    await log.append([linesRecord(app, texts)]);
    await clock.advance(20);
  };
  if (history.length > 0) await append(...history);
  await live.open();
  const made: FakeOutlet[] = [];
  const lineBytes = '2026-01-01T00:00:00.000000+00:00 demo[web.1]: 0123456789\n'.length;
  const clientQueueBytesMax = queueLines * lineBytes;
  const start = positionOf(log, 0);
  const session = new TailSession(
    { app, start, end: undefined, clientQueueBytesMax, stallMsMax: 60_000 },
    {
      ...parts,
      live,
      openOutlet: (listener) => {
        const outlet = new FakeOutlet(listener, isSlow);
        made.push(outlet);
        return outlet;
      },
    },
  );
  void session.run();
  await clock.advance(0);
  const [outlet] = made;
  if (!outlet) throw new Error('no outlet was opened');
  return { clock, log, session, outlet, metrics, append };
}

const line = (n: number): string => `line-${String(n).padStart(5, '0')}`;

test('writes what comes within one tick at once', async () => {
  const { clock, log, outlet } = await makeWorld(10);
  for (const n of [0, 1, 2]) await log.append([linesRecord(app, [line(n)])]);
  expect(outlet.written).toEqual([]);
  await clock.advance(20);
  expect(outlet.written).toEqual([`${line(0)} ${line(1)} ${line(2)}`]);
});

test('drops the oldest lines that wait, counts them, and says so before the next ones', async () => {
  const { clock, outlet, append, metrics } = await makeWorld(4);
  outlet.isSlow = true;
  await append(line(0));
  for (const n of [1, 2, 3]) await append(line(n));
  expect(metrics.droppedMessages).toBe(0);
  await append(line(4));
  const firstDropMs = clock.nowMs();
  await append(line(5), line(6));
  expect(metrics.droppedMessages).toBe(3);
  outlet.isSlow = false;
  outlet.drain();
  const told = `dropped 3 since ${firstDropMs}`;
  const waiting = [line(4), `${line(5)} ${line(6)}`];
  expect(outlet.written).toEqual([line(0), told, ...waiting]);
});

test('counts what the socket holds against the bound', async () => {
  const { outlet, append, metrics } = await makeWorld(4);
  outlet.isSlow = true;
  await append(line(0), line(1), line(2), line(3));
  await append(line(4));
  expect(metrics.droppedMessages).toBe(1);
  outlet.drain();
  expect(outlet.written.at(-1)).toBe(`${line(0)} ${line(1)} ${line(2)} ${line(3)}`);
  outlet.isSlow = false;
  outlet.drain();
  await append(line(5));
  expect(outlet.written.slice(-2)).toEqual([expect.stringContaining('dropped 1 '), line(5)]);
});

test('tells each loss once, and counts anew', async () => {
  const { outlet, append } = await makeWorld(1);
  for (const n of [0, 10]) {
    outlet.isSlow = true;
    await append(line(n));
    await append(line(n + 1));
    await append(line(n + 2));
    outlet.isSlow = false;
    outlet.drain();
    await append(line(n + 3));
  }
  const told = outlet.written.filter((text) => text.startsWith('dropped'));
  expect(told).toEqual([
    expect.stringMatching(/^dropped 2 /),
    expect.stringMatching(/^dropped 2 /),
  ]);
});

test('a client that takes something, however little, is not cut', async () => {
  const { session, outlet, append } = await makeWorld(100);
  outlet.isSlow = true;
  await append(line(0));
  for (let nowMs = 0; nowMs < 600_000; nowMs += 50_000) {
    outlet.unsent--;
    session.tend(nowMs);
  }
  expect(outlet.isDestroyed).toBe(false);
});

test('a client that takes nothing is cut after the time that it has, and not before', async () => {
  const { session, outlet, append, metrics } = await makeWorld(100);
  outlet.isSlow = true;
  await append(line(0));
  session.tend(1000);
  session.tend(60_999);
  expect(outlet.isDestroyed).toBe(false);
  session.tend(61_000);
  expect(outlet.isDestroyed).toBe(true);
  expect(metrics.slowCuts).toBe(1);
});

test('a client that does not take its end is cut as well', async () => {
  const { session, outlet } = await makeWorld(100);
  session.stop();
  expect(outlet.ended).toBe('unauthorised');
  session.tend(0);
  session.tend(60_000);
  expect(outlet.isDestroyed).toBe(true);
});

test('finishing sends what waits, tells what is missing, and then ends', async () => {
  const { session, outlet, append } = await makeWorld(1);
  outlet.isSlow = true;
  await append(line(0));
  await append(line(1));
  session.finish();
  expect(outlet.ended).toBeUndefined();
  outlet.isSlow = false;
  outlet.drain();
  expect(outlet.written.at(-1)).toMatch(/^dropped 1 /);
  expect(outlet.ended).toBe('shutdown');
});

test('a client that falls back further and further goes on at the live head, with the exact count', async () => {
  let appended = 0;
  const next = (count: number): string[] => Array.from({ length: count }, () => line(appended++));
  const world = await makeWorld(1e6, { history: next(10), isSlow: true });
  const { outlet, append, clock, metrics } = world;
  // Each time that it has taken what it was sent, twice as much has come.
  for (let count = 10; count <= 5120; count *= 2) {
    await append(...next(count));
    outlet.drain();
    await clock.advance(0);
  }
  outlet.isSlow = false;
  outlet.drain();
  await append(...next(1));
  const told = outlet.written.find((text) => text.startsWith('dropped'));
  const dropped = Number(/^dropped (\d+)/.exec(told ?? '')?.[1]);
  const seen = outlet.written.flatMap((text) => (text.startsWith('line') ? text.split(' ') : []));
  expect(dropped).toBeGreaterThan(0);
  expect(seen.length + dropped).toBe(appended);
  expect(metrics.droppedMessages).toBe(dropped);
});

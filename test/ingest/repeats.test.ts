import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { StoredRecord } from '../../src/bus/bus.ts';
import { appId } from '../../src/core/ids.ts';
import { KeyTable } from '../../src/ingest/key-table.ts';
import { Repeats } from '../../src/ingest/repeats.ts';
import { requestKey } from '../../src/ingest/request-key.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { linesRecord } from '../support/records.ts';

const facts = { app: appId(1), requestId: 'id', bytes: 10, frames: 2, lastFrame: Buffer.from('x') };
const key = (id: string): Buffer => requestKey({ ...facts, requestId: id });

test('makes the same key of the same request, and another when anything is other', () => {
  const base = requestKey(facts).toString('hex');
  expect(requestKey({ ...facts }).toString('hex')).toBe(base);
  const others = [
    { app: appId(2) },
    { requestId: 'ie' },
    { bytes: 11 },
    { frames: 3 },
    { lastFrame: Buffer.from('y') },
  ].map((other) => requestKey({ ...facts, ...other }).toString('hex'));
  expect(new Set([base, ...others]).size).toBe(6);
});

test('makes different keys of similar ids', () => {
  const ids = Array.from({ length: 50_000 }, (_, i) => String(i));
  expect(new Set(ids.map((id) => key(id).toString('hex'))).size).toBe(ids.length);
});

test('the table does what a map does', () => {
  const small = fc.tuple(fc.nat(40), fc.integer({ min: 1, max: 1000 }));
  fc.assert(
    fc.property(fc.array(small, { maxLength: 200 }), (entries) => {
      const table = new KeyTable();
      const map = new Map<string, number>();
      for (const [id, value] of entries) {
        table.set(key(String(id)), value);
        map.set(String(id), value);
      }
      expect(table.size).toBe(map.size);
      for (let id = 0; id <= 41; id++) {
        expect(table.get(key(String(id)))).toBe(map.get(String(id)) ?? 0);
      }
    }),
  );
});

test('the table finds all of many keys after it has grown, also when they meet', () => {
  const table = new KeyTable();
  const keys = Array.from({ length: 5000 }, (_, i) => {
    const bytes = Buffer.alloc(16);
    bytes.writeUInt32LE(i, 0);
    bytes.writeUInt32LE(i % 7, 12);
    return bytes;
  });
  keys.forEach((bytes, i) => table.set(bytes, i + 1));
  expect(keys.every((bytes, i) => table.get(bytes) === i + 1)).toBe(true);
});

test('while the table grows it does what a map does', () => {
  const table = new KeyTable();
  const map = new Map<number, number>();
  let found = 0;
  const earlier = (i: number, step: number): number =>
    1 + Math.floor((((i * step) % 6007) / 6007) * (i - 1));
  for (let i = 1; i <= 6000; i++) {
    // Every third is one that was there before, with a new number.
    const id = i % 3 === 0 ? earlier(i, 7919) : i;
    table.set(key(String(id)), i);
    map.set(id, i);
    for (const other of [id, earlier(i, 104_729), 6001]) {
      expect(table.get(key(String(other)))).toBe(map.get(other) ?? 0);
      if (map.has(other)) found++;
    }
    expect(table.size).toBe(map.size);
  }
  expect(found).toBeGreaterThan(8000);
});

test('forgets after the window, and the older half when there are too many', async () => {
  const clock = new FakeClock();
  const repeats = new Repeats({ repeatWindowMs: 120_000, repeatsMax: 100 }, { clock });
  repeats.remember(key('a'));
  await clock.advance(119_000);
  expect(repeats.find(key('a'))).toBe('stored');
  await clock.advance(3000);
  expect(repeats.find(key('a'))).toBeUndefined();
  for (let i = 0; i < 1000; i++) {
    repeats.remember(key(String(i)));
    expect(repeats.size).toBeLessThanOrEqual(100);
    expect(repeats.find(key(String(Math.max(0, i - 49))))).toBe('stored');
  }
});

test('rebuilds from records: what is young enough, whole or in parts', async () => {
  const clock = new FakeClock();
  const repeats = new Repeats({ repeatWindowMs: 120_000, repeatsMax: 100 }, { clock });
  const nowMs = clock.nowMs();
  async function* recent(): AsyncIterable<StoredRecord> {
    const made = [
      linesRecord(1, ['a'], { requestKey: key('old'), receivedAtMs: nowMs - 121_000 }),
      linesRecord(1, ['a'], { requestKey: key('young'), receivedAtMs: nowMs - 60_000 }),
      linesRecord(1, ['a'], { requestKey: key('part'), receivedAtMs: nowMs, part: 1, parts: 3 }),
      linesRecord(1, ['a'], { requestKey: key('part'), receivedAtMs: nowMs, part: 2, parts: 3 }),
      linesRecord(1, ['a'], { requestKey: key('whole'), receivedAtMs: nowMs, part: 1, parts: 2 }),
      linesRecord(1, ['a'], { requestKey: key('whole'), receivedAtMs: nowMs, part: 2, parts: 2 }),
      linesRecord(1, ['a'], { receivedAtMs: nowMs }),
    ];
    for (const record of made) yield await Promise.resolve({ record } as StoredRecord);
  }
  await repeats.rebuild(recent());
  expect(repeats.find(key('old'))).toBeUndefined();
  expect(repeats.find(key('young'))).toBe('stored');
  expect(repeats.find(key('whole'))).toBe('stored');
  expect(repeats.find(key('part'))).toEqual({ parts: 3, stored: new Set([1, 2]) });
  repeats.remember(key('part'));
  expect(repeats.find(key('part'))).toBe('stored');
});

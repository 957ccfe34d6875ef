import fc from 'fast-check';
import { expect, test } from 'vitest';
import type { Position } from '../../../src/core/position.ts';
import { UnconfirmedWindow } from '../../../src/drains/syslog/unconfirmed-window.ts';

const mebibyte = 1024 * 1024;
const options = { windowMs: 2000, windowBytesMax: 8 * mebibyte };

function at(offset: number): Position {
  return { logId: '0123456789abcdef', partition: 0, offset, line: 0 };
}

test('what was written is confirmed two seconds later, once TCP has had it acknowledged', () => {
  const window = new UnconfirmedWindow(options);
  window.add(at(1), 1000, 0);
  window.add(at(2), 2000, 500);
  expect(window.confirm(2000, 1999)).toBeUndefined();
  expect(window.confirm(999, 2000)).toBeUndefined();
  expect(window.confirm(2000, 2000)).toEqual(at(1));
  expect(window.confirm(2000, 2000)).toBeUndefined();
  expect(window.confirm(2000, 2500)).toEqual(at(2));
  expect(window.isEmpty).toBe(true);
});

test('time in which a write is stuck does not count', () => {
  const window = new UnconfirmedWindow(options);
  window.add(at(1), 1000, 0);
  window.block(500);
  expect(window.confirm(1000, 60_000)).toBeUndefined();
  window.add(at(2), 2000, 60_000);
  expect(window.confirm(2000, 61_499)).toBeUndefined();
  expect(window.confirm(2000, 61_500)).toEqual(at(1));
  expect(window.confirm(2000, 62_000)).toEqual(at(2));
});

test('eight mebibytes that were acknowledged later confirm as well', () => {
  const window = new UnconfirmedWindow(options);
  window.add(at(1), mebibyte, 0);
  window.add(at(2), 5 * mebibyte, 100);
  window.add(at(3), 9 * mebibyte, 200);
  expect(window.confirm(9 * mebibyte - 1, 200)).toBeUndefined();
  expect(window.confirm(9 * mebibyte, 200)).toEqual(at(1));
  expect(window.confirm(13 * mebibyte, 200)).toEqual(at(2));
});

test('an answered FIN confirms everything, and a break nothing', () => {
  const window = new UnconfirmedWindow(options);
  window.add(at(1), 1000, 0);
  window.add(at(2), 2000, 100);
  expect(window.confirmAll()).toEqual(at(2));
  expect(window.confirmAll()).toBeUndefined();
  window.add(at(3), 3000, 200);
  window.clear();
  expect(window.isEmpty).toBe(true);
  expect(window.confirmAll()).toBeUndefined();
});

test('never confirms early, and in the end everything, in order', () => {
  const step = fc.record({ bytes: fc.integer({ min: 1, max: 300_000 }), ms: fc.nat(300) });
  fc.assert(
    fc.property(fc.array(step, { maxLength: 60 }), (steps) => {
      const window = new UnconfirmedWindow(options);
      const writes: { end: number; ms: number }[] = [];
      let nowMs = 0;
      let sent = 0;
      let confirmed = 0;
      for (const { bytes, ms } of steps) {
        nowMs += ms;
        sent += bytes;
        writes.push({ end: sent, ms: nowMs });
        window.add(at(writes.length), sent, nowMs);
        const acked = sent - (bytes >> 1);
        const offset = window.confirm(acked, nowMs)?.offset ?? confirmed;
        expect(offset).toBeGreaterThanOrEqual(confirmed);
        confirmed = offset;
        const last = writes[confirmed - 1];
        if (!last) continue;
        expect(last.end).toBeLessThanOrEqual(acked);
        const isOld = nowMs - last.ms >= options.windowMs;
        expect(isOld || acked - last.end >= options.windowBytesMax).toBe(true);
      }
      const end = window.confirm(sent, nowMs + 2000)?.offset ?? confirmed;
      expect(end).toBe(writes.length);
    }),
  );
});

import { expect, test } from 'vitest';
import { StallWatch, type Progress } from '../../../src/drains/syslog/stall-watch.ts';

/** Looks once a second; returns the second in which the watch gave up, or undefined. */
function gaveUpAfter(progress: (second: number) => Progress, seconds = 60): number | undefined {
  const watch = new StallWatch({ stallMsMax: 20_000 });
  watch.reset(0);
  for (let second = 0; second < seconds; second++) {
    if (watch.look(progress(second), second * 1000)) return second;
  }
  return undefined;
}

test('nothing to send is no stall', () => {
  expect(gaveUpAfter(() => ({ sentBytes: 500, heldBytes: 0, isWriting: false }))).toBeUndefined();
});

test('bytes that nobody acknowledges are one, also when more are written', () => {
  expect(gaveUpAfter(() => ({ sentBytes: 500, heldBytes: 400, isWriting: false }))).toBe(20);
  expect(
    gaveUpAfter((second) => ({
      sentBytes: 500 + second,
      heldBytes: 400 + second,
      isWriting: false,
    })),
  ).toBe(20);
});

test('a slow receiver is none', () => {
  expect(
    gaveUpAfter((second) => ({ sentBytes: 9000, heldBytes: 8000 - second, isWriting: true })),
  ).toBeUndefined();
});

test('a write that is stuck is one', () => {
  expect(gaveUpAfter(() => ({ sentBytes: 500, heldBytes: 4000, isWriting: true }))).toBe(20);
});

test('where TCP cannot be asked, only a write that is stuck is one', () => {
  const unknown = { heldBytes: undefined };
  expect(gaveUpAfter(() => ({ ...unknown, sentBytes: 500, isWriting: true }))).toBe(20);
  expect(gaveUpAfter(() => ({ ...unknown, sentBytes: 500, isWriting: false }))).toBeUndefined();
  expect(
    gaveUpAfter((second) => ({ ...unknown, sentBytes: second, isWriting: true })),
  ).toBeUndefined();
});

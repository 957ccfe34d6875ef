import { expect, test } from 'vitest';
import { SizeLimit } from '../../src/drains/size-limit.ts';
import { FakeClock } from '../support/fake-clock.ts';

const full = { bytesMax: 100_000, linesMax: 500 };

function limit(): { sizes: SizeLimit; clock: FakeClock } {
  const clock = new FakeClock();
  return { sizes: new SizeLimit({ full, keepMs: 600_000 }, { clock }), clock };
}

test('batches are as large as they may be while nobody objects', () => {
  const { sizes } = limit();
  sizes.taken({ bytes: 10, lines: 1 });
  expect(sizes.next()).toEqual(full);
});

test('after a batch that was too large they are as its largest piece that was taken', () => {
  const { sizes } = limit();
  sizes.tooLarge();
  sizes.tooLarge();
  sizes.taken({ bytes: 25_000, lines: 120 });
  sizes.taken({ bytes: 24_000, lines: 130 });
  sizes.taken({ bytes: 20_000, lines: 125 });
  expect(sizes.next()).toEqual({ bytesMax: 25_000, linesMax: 130 });
  sizes.taken({ bytes: 100, lines: 2 });
  expect(sizes.next()).toEqual({ bytesMax: 25_000, linesMax: 130 });
});

test('the size is kept for a while, then doubled until it is what it was', async () => {
  const { sizes, clock } = limit();
  sizes.tooLarge();
  sizes.taken({ bytes: 30_000, lines: 200 });
  expect(sizes.next()).toEqual({ bytesMax: 30_000, linesMax: 200 });
  await clock.advance(599_999);
  expect(sizes.next()).toEqual({ bytesMax: 30_000, linesMax: 200 });
  await clock.advance(1);
  expect(sizes.next()).toEqual({ bytesMax: 60_000, linesMax: 400 });
  await clock.advance(600_000);
  expect(sizes.next()).toEqual(full);
});

test('a batch of which nothing was taken changes nothing', () => {
  const { sizes } = limit();
  sizes.tooLarge();
  expect(sizes.next()).toEqual(full);
});

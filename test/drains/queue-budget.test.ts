import { expect, test } from 'vitest';
import { QueueBudget, type QueueHolder } from '../../src/drains/queue-budget.ts';

class Holder implements QueueHolder {
  bytes = 0;
  isLive: boolean;
  isFilling = false;
  readonly #budget: QueueBudget;

  constructor(budget: QueueBudget, isLive: boolean) {
    this.#budget = budget;
    this.isLive = isLive;
    budget.join(this);
  }

  take(bytes: number): void {
    this.bytes += bytes;
    this.#budget.changed(bytes);
  }

  release(): void {
    const { bytes } = this;
    this.bytes = 0;
    this.#budget.changed(-bytes);
  }
}

test('asks the largest laggard first, and live drains last', () => {
  const budget = new QueueBudget({ queuesBytesMax: 100 });
  const live = new Holder(budget, true);
  const [small, large] = [new Holder(budget, false), new Holder(budget, false)];
  live.take(60);
  small.take(10);
  large.take(20);
  live.take(11);
  expect([live.bytes, small.bytes, large.bytes]).toEqual([71, 10, 0]);
  live.take(20);
  expect([live.bytes, small.bytes]).toEqual([91, 0]);
  live.take(10);
  expect([live.bytes, budget.bytes]).toEqual([0, 0]);
});

test('leaves alone who is putting a batch together: it would read the same page without end', () => {
  const budget = new QueueBudget({ queuesBytesMax: 100 });
  const filling = new Holder(budget, false);
  filling.isFilling = true;
  const other = new Holder(budget, true);
  other.take(50);
  filling.take(200);
  expect([filling.bytes, other.bytes]).toEqual([200, 0]);
});

test('lets laggards read smaller pages the more of them there are, but a batch', () => {
  const mib = 1 << 20;
  const batch = 100_000;
  const budget = new QueueBudget({ queuesBytesMax: 256 * mib });
  const first = new Holder(budget, false);
  expect(budget.pageBytes(mib, batch)).toBe(mib);
  const others = Array.from({ length: 127 }, () => new Holder(budget, false));
  expect(budget.pageBytes(mib, batch)).toBe(mib / 4);
  others.push(...Array.from({ length: 872 }, () => new Holder(budget, false)));
  expect(budget.pageBytes(mib, batch)).toBe(batch);
  expect(budget.pageBytes(mib, 2 * mib)).toBe((256 * mib) / 2000);
  for (const other of others) budget.leave(other);
  expect(budget.pageBytes(mib, batch)).toBe(mib);
  first.isLive = true;
  budget.turned(first);
  expect(budget.pageBytes(mib, batch)).toBe(mib);
});

test('a page is worth its read, and no more than was asked for', () => {
  const budget = new QueueBudget({ queuesBytesMax: 1 << 20 });
  const laggards = Array.from({ length: 1000 }, () => new Holder(budget, false));
  expect(laggards).toHaveLength(1000);
  expect(budget.pageBytes(1 << 20, 100_000)).toBe(16 << 10);
  expect(budget.pageBytes(1000, 100_000)).toBe(1000);
});

import fc from 'fast-check';
import { expect, test } from 'vitest';
import { FairRing } from '../../../src/bus/embedded/fair-ring.ts';

/** Serves `turns` times; every flow's reads have their own size. Returns the bytes of each flow. */
function serve(ring: FairRing<string>, sizes: Record<string, number>, turns: number) {
  const served: Record<string, number> = Object.fromEntries(
    Object.keys(sizes).map((flow) => [flow, 0]),
  );
  for (let turn = 0; turn < turns; turn++) {
    const flow = ring.next() ?? '';
    served[flow] = (served[flow] ?? 0) + (sizes[flow] ?? 0);
    ring.charge(flow, sizes[flow] ?? 0);
  }
  return served;
}

test('flows get the same bytes, whatever the size of their reads', () => {
  const ring = new FairRing<string>({ quantumBytes: 64 });
  for (const flow of ['small', 'middle', 'large']) ring.enter(flow);
  const served = serve(ring, { small: 1, middle: 60, large: 1000 }, 20_000);
  const least = Math.min(...Object.values(served));
  expect(Math.max(...Object.values(served)) - least).toBeLessThanOrEqual(1000 + 64);
});

test('no flow is ever ahead of another by more than a read and a quantum', () => {
  const sizes = fc.array(fc.integer({ min: 1, max: 500 }), { minLength: 2, maxLength: 8 });
  fc.assert(
    fc.property(sizes, fc.integer({ min: 1, max: 200 }), (bytes, quantumBytes) => {
      const ring = new FairRing<string>({ quantumBytes });
      const flows = Object.fromEntries(bytes.map((size, i) => [`${i}`, size]));
      for (const flow of Object.keys(flows)) ring.enter(flow);
      const served = Object.values(serve(ring, flows, 3000));
      const ahead = Math.max(...served) - Math.min(...served);
      expect(ahead).toBeLessThanOrEqual(Math.max(...bytes) + 2 * quantumBytes);
    }),
  );
});

test('who goes away after each read and comes back is not served more than who stays', () => {
  const ring = new FairRing<string>({ quantumBytes: 64 });
  ring.enter('stays');
  ring.enter('hops');
  const served = { stays: 0, hops: 0 };
  for (let turn = 0; turn < 2000; turn++) {
    const flow = ring.next();
    const bytes = flow === 'hops' ? 1000 : 10;
    served[flow === 'hops' ? 'hops' : 'stays'] += bytes;
    ring.charge(flow ?? '', bytes);
    if (flow !== 'hops') continue;
    ring.leave('hops');
    ring.enter('hops');
  }
  expect(Math.abs(served.stays - served.hops)).toBeLessThanOrEqual(1000 + 2 * 64);
});

test('what was read while nobody waited is no debt', () => {
  const ring = new FairRing<string>({ quantumBytes: 64 });
  ring.enter('first');
  ring.charge('first', 1_000_000);
  ring.leave('first');
  expect(ring.next()).toBeUndefined();
  for (const flow of ['first', 'second']) ring.enter(flow);
  const served = serve(ring, { first: 64, second: 64 }, 100);
  expect(served['first']).toBeGreaterThan(0);
});

test('a flow keeps its place and its credit while something of it is served', () => {
  const ring = new FairRing<string>({ quantumBytes: 100 });
  ring.enter('one');
  ring.enter('other');
  const order: string[] = [];
  for (let turn = 0; turn < 20; turn++) {
    const flow = ring.next() ?? '';
    order.push(flow);
    ring.begin(flow);
    // The only thing that it waited for; there is more once that is over.
    ring.leave(flow);
    ring.charge(flow, 25);
    ring.enter(flow);
    ring.end(flow);
  }
  const [ones, others] = ['one '.repeat(4), 'other '.repeat(4)];
  expect(`${order.slice(0, 12).join(' ')} `).toBe(ones + others + ones);
});

test('others have their turn meanwhile, and afterwards nothing of it is left but a debt', () => {
  const ring = new FairRing<string>({ quantumBytes: 100 });
  ring.enter('one');
  ring.enter('other');
  expect(ring.next()).toBe('one');
  ring.begin('one');
  ring.leave('one');
  ring.charge('one', 25);
  expect(ring.next()).toBe('other');
  ring.charge('one', 1000);
  ring.end('one');
  ring.enter('one');
  const { one = 0, other = 0 } = serve(ring, { one: 10, other: 10 }, 200);
  expect(other - one).toBeGreaterThan(700);
});

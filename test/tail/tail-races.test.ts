import fc from 'fast-check';
import { expect, test } from 'vitest';
import { app, range, type TailClient, TailWorld, type WebsocketClient } from './tail-kit.ts';

const steps = fc.oneof(
  {
    weight: 6,
    arbitrary: fc.record({ do: fc.constant('append'), count: fc.integer({ min: 1, max: 5 }) }),
  },
  {
    weight: 2,
    arbitrary: fc.record({ do: fc.constantFrom('tail', 'websocket'), count: fc.nat(12) }),
  },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('pause', 'go on'), count: fc.nat(0) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constantFrom('hold', 'release'), count: fc.nat(0) }) },
  { weight: 2, arbitrary: fc.record({ do: fc.constant('offer again'), count: fc.nat(20) }) },
  { weight: 4, arbitrary: fc.record({ do: fc.constant('pass'), count: fc.nat(40) }) },
);

type Client = TailClient | WebsocketClient;

async function play(
  world: TailWorld,
  script: readonly { do: string; count: number }[],
): Promise<Client[]> {
  const clients: Client[] = [];
  const { router, log, clock } = world;
  for (const { do: what, count } of script) {
    if (what === 'append') await world.append(count);
    if (what === 'tail') clients.push(world.tail(`n=${count}`));
    if (what === 'websocket') clients.push(world.websocket(`num_lines=${count}`));
    if (what === 'pause') router.isPaused = true;
    if (what === 'go on') router.isPaused = false;
    if (what === 'hold') log.holdReads();
    if (what === 'release') log.releaseReads();
    if (what === 'offer again' && router.kept[count]) router.offer(router.kept[count]);
    if (what === 'pass') await clock.advance(count);
  }
  return clients;
}

test('whatever the order of events, every client sees each line from its first one on once, in order', async () => {
  await fc.assert(
    fc.asyncProperty(fc.array(steps, { minLength: 5, maxLength: 40 }), async (script) => {
      await using world = await new TailWorld({
        appQueueBytesMax: 1000,
        checkEveryMs: 1000,
      }).listen();
      const clients = await play(world, script);
      world.router.isPaused = false;
      world.log.releaseReads();
      await world.until(() => world.metrics.clients === clients.length);
      await world.append(1);
      const { head } = await world.log.bounds(0, app);
      const last = head.appSeq - 1;
      await world.until(() => clients.every(({ numbers }) => numbers.at(-1) === last));
      await world.pass(50);
      for (const { numbers, dropped } of clients) {
        expect(dropped).toBe(0);
        expect(numbers).toEqual(range(numbers[0] ?? 0, last + 1));
      }
    }),
    { numRuns: 200 },
  );
});

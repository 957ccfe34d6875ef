import { Registry } from 'prom-client';
import { expect, test } from 'vitest';
import { DrainMetrics } from '../../src/drains/drain-metrics.ts';

test('a scrape shows the totals of its own time, all of them of one reading', async () => {
  const registry = new Registry();
  let readings = 0;
  new DrainMetrics(registry).watch(async () => {
    readings++;
    await new Promise((resolve) => setImmediate(resolve));
    return {
      backlogMessages: readings,
      imbalanceMessages: readings,
      queuedBytes: readings,
      workers: { live: readings },
      replays: readings,
    };
  });
  for (let scrape = 1; scrape <= 2; scrape++) {
    const shown = (await registry.metrics()).split('\n');
    for (const name of [
      'spillway_conservation_imbalance_messages',
      'spillway_drain_backlog_messages',
      'spillway_drain_queue_bytes',
      'spillway_drain_replays',
      'spillway_drains{state="live"}',
    ]) {
      expect(shown).toContain(`${name} ${scrape}`);
    }
    expect(shown).toContain('spillway_drains{state="held"} 0');
  }
  expect(readings).toBe(2);
});

import { Registry } from 'prom-client';
import { BusMetrics } from '../../src/bus/embedded/bus-metrics.ts';
import { EmbeddedLog, type EmbeddedLogOptions } from '../../src/bus/embedded/embedded-log.ts';
import type { Storage } from '../../src/bus/embedded/storage.ts';
import { embeddedDefaults } from './embedded.ts';
import { FakeClock } from './fake-clock.ts';
import { SeededChance } from './seeded-chance.ts';
import { silentLogger } from './silent-logger.ts';

/** A log with segments of a few records on a simulated disk. */
export async function openSimulated(
  storage: Storage,
  over: { options?: Partial<EmbeddedLogOptions>; onFatal?: (error: unknown) => void } = {},
): Promise<{ bus: EmbeddedLog; clock: FakeClock; corrupt: () => Promise<number> }> {
  const clock = new FakeClock();
  const registry = new Registry();
  const bus = await EmbeddedLog.open(
    { ...embeddedDefaults, segmentBytes: 1500, checkpointCompactBytesMin: 400, ...over.options },
    {
      storage,
      clock,
      chance: new SeededChance(1),
      logger: silentLogger,
      metrics: new BusMetrics(registry),
      onFatal: over.onFatal ?? (() => undefined),
    },
  );
  const corrupt = async (): Promise<number> => {
    const metric = registry.getSingleMetric('spillway_log_corrupt_regions_total');
    return (await metric?.get())?.values[0]?.value ?? 0;
  };
  return { bus, clock, corrupt };
}

import { mkdtemp, rm } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { Registry } from 'prom-client';
import { BusMetrics } from '../../src/bus/embedded/bus-metrics.ts';
import { EmbeddedLog, type EmbeddedLogOptions } from '../../src/bus/embedded/embedded-log.ts';
import { NodeStorage } from '../../src/bus/embedded/node-storage.ts';
import type { Storage } from '../../src/bus/embedded/storage.ts';
import { systemChance } from '../../src/core/chance.ts';
import { systemClock, type Clock } from '../../src/core/clock.ts';
import { silentLogger } from './silent-logger.ts';

export const embeddedDefaults: EmbeddedLogOptions = {
  partitions: 1,
  segmentBytes: 64 << 20,
  retentionBytesMax: 10 * 2 ** 30,
  retentionFitsDisk: false,
  retentionAgeMsMax: 168 * 3_600_000,
  appendQueueBytesMax: 64 << 20,
  commitBytesMax: 8 << 20,
  readsMax: 2,
  blockCacheBytesMax: 1024 * 1024,
  indexCacheBytesMax: 64 << 20,
  freeBytesMin: 16 << 20,
  checkpointSyncMs: 1000,
  checkpointCompactBytesMin: 8 << 20,
};

/** Opens a log below `directory`; a fatal disk error is thrown where nobody misses it. */
export function openEmbedded(
  directory: string,
  options: Partial<EmbeddedLogOptions> = {},
  parts: { storage?: Storage; clock?: Clock; onFatal?: (error: unknown) => void } = {},
): Promise<EmbeddedLog> {
  return EmbeddedLog.open(
    { ...embeddedDefaults, ...options },
    {
      storage: parts.storage ?? new NodeStorage(directory),
      clock: parts.clock ?? systemClock,
      chance: systemChance,
      logger: silentLogger,
      metrics: new BusMetrics(new Registry()),
      onFatal:
        parts.onFatal ??
        ((error) => {
          throw error;
        }),
    },
  );
}

export async function temporaryDirectory(): Promise<{ path: string } & AsyncDisposable> {
  const path = await mkdtemp(join(tmpdir(), 'spillway-'));
  return { path, [Symbol.asyncDispose]: () => rm(path, { recursive: true, force: true }) };
}

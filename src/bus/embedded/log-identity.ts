import type { Chance } from '../../core/chance.ts';
import { AppError, ConfigError } from '../../core/errors.ts';
import type { Storage } from './storage.ts';

const path = 'log.json';

/**
 * The log's id and number of partitions: drawn when it is made, never changed.
 * @throws ConfigError when the log has another number of partitions than asked for.
 */
export async function openLogIdentity(
  partitions: number,
  parts: { storage: Storage; chance: Chance },
): Promise<string> {
  const { storage } = parts;
  await storage.makeDirectory('.');
  const known = (await storage.list('.')).includes(path) ? await readIdentity(storage) : undefined;
  if (known && known.partitions !== partitions) {
    throw new ConfigError([
      `SPILLWAY_PARTITIONS is ${partitions}, but the log was made with ${known.partitions}; this cannot be changed`,
    ]);
  }
  if (known) return known.logId;
  const logId = parts.chance.bytes(8).toString('hex');
  const file = await storage.open(`${path}.tmp`, 'create');
  await file.write([Buffer.from(`${JSON.stringify({ logId, partitions })}\n`)], 0);
  await file.sync();
  await file.close();
  await storage.rename(`${path}.tmp`, path);
  await storage.syncDirectory('.');
  return logId;
}

async function readIdentity(storage: Storage): Promise<{ logId: string; partitions: number }> {
  const file = await storage.open(path, 'existing');
  const bytes = Buffer.alloc(await file.size());
  await file.read(bytes, 0);
  await file.close();
  try {
    const { logId, partitions } = JSON.parse(bytes.toString()) as Record<string, unknown>;
    if (
      typeof logId === 'string' &&
      /^[0-9a-f]{16}$/.test(logId) &&
      typeof partitions === 'number'
    ) {
      return { logId, partitions };
    }
  } catch {
    // Falls through to the one answer for every kind of damage.
  }
  throw new AppError('BUS_CORRUPT', `${path} in the data directory is damaged`);
}

import { crc32c } from '@node-rs/crc32';
import type { Chance } from '../../core/chance.ts';
import { ConfigError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import { readAround } from './damaged-media.ts';
import { baseOf, writeDraft } from './segment.ts';
import { decodeSegmentHeader, segmentHeaderBytes, type SegmentHeader } from './segment-format.ts';
import type { Storage } from './storage.ts';

export interface LogIdentity {
  /** Sixteen hex digits. */
  readonly logId: string;
  readonly partitions: number;
  /** See `SegmentHeader.salt`. */
  readonly salt: number;
}

interface IdentityParts {
  readonly storage: Storage;
  readonly chance: Chance;
  readonly logger: Logger;
}

const path = 'log.json';
export const logDirectory = 'log';

/**
 * What a log is from its making on: drawn when it is made, never changed. The file that says so carries a
 * checksum; when it is damaged or gone, the headers of the segments say the same.
 * @throws ConfigError when the log has another number of partitions than asked for.
 */
export async function openLogIdentity(
  partitions: number,
  parts: IdentityParts,
): Promise<LogIdentity> {
  const { storage } = parts;
  await storage.makeDirectory('.');
  const written = await readIdentity(storage);
  const known = written ?? (await identityOfSegments(storage));
  if (known && known.partitions !== partitions) {
    throw new ConfigError([
      `SPILLWAY_PARTITIONS is ${partitions}, but the log was made with ${known.partitions}; this cannot be changed`,
    ]);
  }
  if (written) return written;
  if (known) parts.logger.warn({ path, logId: known.logId }, 'log.identity_made_again');
  const identity = known ?? drawIdentity(partitions, parts.chance);
  await writeIdentity(storage, identity);
  return identity;
}

function drawIdentity(partitions: number, chance: Chance): LogIdentity {
  const salt = chance.bytes(4).readUInt32LE();
  return { logId: chance.bytes(8).toString('hex'), partitions, salt };
}

async function writeIdentity(storage: Storage, identity: LogIdentity): Promise<void> {
  const text = `${JSON.stringify({ ...identity, crc: crcOf(identity) })}\n`;
  const file = await writeDraft(storage, `${path}.tmp`, async (draft) => {
    await draft.write([Buffer.from(text)], 0);
    await draft.sync();
    await storage.rename(`${path}.tmp`, path);
  });
  await file.close();
  await storage.syncDirectory('.');
}

/** Undefined when there is no such file, or when it is damaged. */
async function readIdentity(storage: Storage): Promise<LogIdentity | undefined> {
  if (!(await storage.list('.')).includes(path)) return undefined;
  const file = await storage.open(path, 'existing');
  const bytes = Buffer.alloc(await file.size());
  await readAround(file, bytes, 0);
  await file.close();
  try {
    const { logId, partitions, salt, crc } = JSON.parse(bytes.toString()) as Record<
      string,
      unknown
    >;
    const identity = { logId, partitions, salt } as LogIdentity;
    return crc === crcOf(identity) ? identity : undefined;
  } catch {
    return undefined;
  }
}

function crcOf({ logId, partitions, salt }: LogIdentity): number {
  return crc32c(JSON.stringify([logId, partitions, salt]));
}

/** What the first readable segment header says; every partition has at least one segment. */
async function identityOfSegments(storage: Storage): Promise<LogIdentity | undefined> {
  const directories = (await storage.list(logDirectory)).filter((name) => /^\d+$/.test(name));
  for (const directory of directories) {
    for (const name of await storage.list(`${logDirectory}/${directory}`)) {
      const header =
        baseOf(name) === undefined
          ? undefined
          : await readHeader(storage, `${logDirectory}/${directory}/${name}`);
      if (!header) continue;
      return { logId: header.logId, partitions: directories.length, salt: header.salt };
    }
  }
  return undefined;
}

async function readHeader(storage: Storage, segment: string): Promise<SegmentHeader | undefined> {
  const file = await storage.open(segment, 'existing');
  const head = Buffer.alloc(segmentHeaderBytes);
  await readAround(file, head, 0);
  await file.close();
  return decodeSegmentHeader(head);
}

import { logDirectory } from './log-identity.ts';
import { PartitionLog, type PartitionLogOptions, type PartitionLogParts } from './partition-log.ts';
import {
  recoverPartition,
  type RecoveryOptions,
  type RecoveryParts,
} from './partition-recovery.ts';
import type { ReadScheduler } from './read-scheduler.ts';
import { SegmentReader } from './segment-reader.ts';

/** One partition of the log. */
export interface Partition {
  /** The writing side. */
  readonly log: PartitionLog;
  readonly reader: SegmentReader;
}

export type PartitionOptions = Omit<PartitionLogOptions & RecoveryOptions, 'directory'>;

export type PartitionParts = PartitionLogParts &
  RecoveryParts & { readonly scheduler: ReadScheduler };

/** Brings back what an earlier life of the log has left of the partition, or makes a new one. */
export async function openPartition(
  options: PartitionOptions,
  parts: PartitionParts,
): Promise<Partition> {
  const place = { ...options, directory: `${logDirectory}/${options.partition}` };
  const log = new PartitionLog(place, parts, await recoverPartition(place, parts));
  return { log, reader: new SegmentReader({ ...parts, source: log }) };
}

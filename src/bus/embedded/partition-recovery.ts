import type { Logger } from '../../core/logger.ts';
import type { Position } from '../../core/position.ts';
import { appId, type AppId } from '../../core/ids.ts';
import type { Entries } from '../bus.ts';
import { AppHeads } from './app-heads.ts';
import { indexSegment, type IndexCache } from './index-cache.ts';
import { baseOf, createSegment, indexPath, Segment, segmentPath } from './segment.ts';
import {
  decodeSegmentHeader,
  encodeSegmentHeader,
  readUint64,
  segmentHeaderBytes,
} from './segment-format.ts';
import { IndexBuilder, indexHeaderBytes } from './segment-index.ts';
import type { RecoveredPartition } from './partition-log.ts';
import type { Storage } from './storage.ts';

export interface RecoveryOptions {
  readonly logId: string;
  readonly partition: number;
  readonly directory: string;
  /** The log was closed in order, so that every byte of it is known to be on disk. */
  readonly wasClosed: boolean;
}

export interface RecoveryParts {
  readonly storage: Storage;
  readonly indexes: IndexCache;
  readonly logger: Logger;
  /** The partition's checkpoint: heads of apps, and up to which segment they hold. */
  readonly checkpoint: Entries;
  readonly onCorrupt: (path: string, fileAt: number) => void;
}

/** Checkpoint key under which a partition says up to which offset its `app:` entries hold. */
export const headsKey = 'heads';
export const appKeyPrefix = 'app:';

/**
 * Opens a partition's segments and brings back what was in memory. Takes no longer for a larger backlog: only
 * the active segment is read, and the indexes of those sealed after the last checkpoint.
 *
 * After anything but an orderly close the active segment's valid records are copied into a new, fsynced file
 * before they are served: what the page cache shows need not be what the disk has.
 */
export async function recoverPartition(
  options: RecoveryOptions,
  parts: RecoveryParts,
): Promise<RecoveredPartition> {
  const { storage } = parts;
  await storage.makeDirectory(options.directory);
  await removeLeftovers(options, parts);
  const segments: Segment[] = [];
  try {
    return await recoverSegments(options, parts, segments);
  } catch (error) {
    for (const segment of segments) await segment.retire();
    throw error;
  }
}

async function recoverSegments(
  options: RecoveryOptions,
  parts: RecoveryParts,
  segments: Segment[],
): Promise<RecoveredPartition> {
  const { storage } = parts;
  await openSegments(options, parts, segments);
  await dropFalseSuccessors(parts, segments);
  const heads = checkpointedHeads(options, parts.checkpoint);
  const sealedThrough = Number(parts.checkpoint.get(headsKey)?.['through'] ?? 0);
  for (const segment of segments.slice(0, -1)) {
    const index = segment.base >= sealedThrough ? await parts.indexes.of(segment) : undefined;
    segment.maxTimeMs =
      index?.maxTimeMs ??
      (await readMaxTime(storage, segment)) ??
      (await parts.indexes.of(segment)).maxTimeMs;
    for (const app of index?.apps() ?? []) {
      const run = index?.find(app);
      if (run) heads.learn(app, run.firstSeq + run.lines, at(options, run.offset(run.records - 1)));
    }
  }
  const last = segments.at(-1);
  const recovered = last
    ? await recoverActive(options, parts, segments, last, heads)
    : await startEmpty(options, parts, heads, 0);
  return aboveReached(options, parts, recovered);
}

/**
 * Where the last records of an app turned out to be corrupt, its numbers and the partition's offsets go on above
 * everything that cursors have passed: what is stored from now on would otherwise lie behind them.
 */
function aboveReached(
  options: RecoveryOptions,
  parts: RecoveryParts,
  recovered: Recovered,
): RecoveredPartition {
  let { nextOffset } = recovered;
  const uncounted = new Map<AppId, number>();
  for (const entry of parts.checkpoint.values()) {
    const { reached } = entry;
    if (!Array.isArray(reached) || reached[0] !== options.logId) continue;
    const [app = 0, offset = 0, seq = 0] = reached.slice(1).map(Number);
    nextOffset = Math.max(nextOffset, offset);
    if (recovered.heads.raise(appId(app), seq)) uncounted.set(appId(app), seq);
  }
  for (const [app, seq] of uncounted) {
    parts.logger.error({ appId: app, seq }, 'log.lines_handed_out_are_gone');
  }
  return { ...recovered, nextOffset, uncounted };
}

type Recovered = Omit<RecoveredPartition, 'uncounted'>;

async function recoverActive(
  options: RecoveryOptions,
  parts: RecoveryParts,
  segments: Segment[],
  segment: Segment,
  heads: AppHeads,
): Promise<Recovered> {
  const { index, scan } = await indexSegment(segment, {
    heads,
    positionOf: (offset) => at(options, offset),
  });
  const size = await segment.file.size();
  if (scan.corruptRegions > 0) parts.onCorrupt(segment.path, -1);
  if (scan.validEnd < size) {
    const cutBytes = size - scan.validEnd;
    parts.logger.warn({ path: segment.path, cutBytes }, 'log.torn_tail_cut');
    await segment.file.truncate(scan.validEnd);
  }
  segment.bytes = scan.validEnd;
  segment.active = index;
  if (!options.wasClosed) await rewrite(options, parts, segment);
  await segment.file.sync();
  return { segments, active: index, heads, nextOffset: Math.max(index.end, segment.base) };
}

/** Replaces the file by a copy that is known to be on disk. */
async function rewrite(
  options: RecoveryOptions,
  parts: RecoveryParts,
  segment: Segment,
): Promise<void> {
  const { storage } = parts;
  const path = `${segment.path}.tmp`;
  const copy = await storage.open(path, 'create');
  const header = { logId: options.logId, partition: options.partition, base: segment.base };
  try {
    await copy.write([encodeSegmentHeader(header)], 0);
    for (let copied = segmentHeaderBytes; copied < segment.bytes;) {
      const chunk = await segment.readBytes(copied, copyChunkBytes);
      if (chunk.length === 0) break;
      await copy.write([chunk], copied);
      copied += chunk.length;
    }
    await copy.sync();
    await storage.rename(path, segment.path);
    await storage.syncDirectory(options.directory);
  } catch (error) {
    await copy.close();
    await storage.unlink(path).catch(() => undefined);
    throw error;
  }
  await segment.replaceFile(copy);
}

const copyChunkBytes = 4 * 1024 * 1024;

async function startEmpty(
  options: RecoveryOptions,
  parts: RecoveryParts,
  heads: AppHeads,
  base: number,
): Promise<Recovered> {
  const { logId, partition, directory } = options;
  const segment = await createSegment(parts.storage, directory, { logId, partition, base });
  const active = new IndexBuilder(base);
  segment.active = active;
  return { segments: [segment], active, heads, nextOffset: base };
}

/** Opens them into `segments`, oldest first, so that whoever fails later can close them. */
async function openSegments(
  options: RecoveryOptions,
  parts: RecoveryParts,
  segments: Segment[],
): Promise<void> {
  const { storage } = parts;
  const bases = (await storage.list(options.directory))
    .map(baseOf)
    .filter((base) => base !== undefined)
    .sort((a, b) => a - b);
  for (const base of bases) {
    const path = segmentPath(options.directory, base);
    const file = await storage.open(path, 'existing');
    const head = Buffer.alloc(segmentHeaderBytes);
    await file.read(head, 0);
    if (!decodeSegmentHeader(head)) parts.logger.warn({ path }, 'log.segment_header_unreadable');
    const bytes = Math.max(await file.size(), segmentHeaderBytes);
    segments.push(new Segment(base, path, file, bytes));
  }
}

/**
 * A segment is made before its predecessor ends. Where that failed and the file could not be taken away again, the
 * predecessor has gone on beyond its base: the empty file has never been part of the log.
 */
async function dropFalseSuccessors(parts: RecoveryParts, segments: Segment[]): Promise<void> {
  for (const segment of segments.slice(0, -1)) {
    if (isEmpty(segment)) await dropFalse(parts, segments, segment);
  }
  const [before, last] = segments.slice(-2);
  if (!before || !last || !isEmpty(last)) return;
  if ((await parts.indexes.of(before)).end <= last.base) return;
  await dropFalse(parts, segments, last);
  // The index that was made to look is that of a segment which grows again.
  await parts.storage.unlink(indexPath(before.path)).catch(() => undefined);
  parts.indexes.forget(before);
}

async function dropFalse(
  parts: RecoveryParts,
  segments: Segment[],
  segment: Segment,
): Promise<void> {
  parts.logger.warn({ path: segment.path }, 'log.false_successor_dropped');
  segments.splice(segments.indexOf(segment), 1);
  await segment.retire();
  await parts.storage.unlink(segment.path);
}

function isEmpty(segment: Segment): boolean {
  return segment.bytes <= segmentHeaderBytes;
}

/** Unfinished files of an earlier run, and indexes whose segment is gone. */
async function removeLeftovers(options: RecoveryOptions, parts: RecoveryParts): Promise<void> {
  const names = await parts.storage.list(options.directory);
  for (const name of names) {
    const isOrphan = name.endsWith('.idx') && !names.includes(name.replace(/\.idx$/, '.log'));
    if (isOrphan || name.endsWith('.tmp'))
      await parts.storage.unlink(`${options.directory}/${name}`);
  }
}

function checkpointedHeads(options: RecoveryOptions, checkpoint: Entries): AppHeads {
  const heads = new AppHeads();
  for (const [key, entry] of checkpoint) {
    if (!key.startsWith(appKeyPrefix)) continue;
    const app = appId(Number(key.slice(appKeyPrefix.length)));
    heads.learn(app, Number(entry['seq']), at(options, Number(entry['last'])));
  }
  return heads;
}

/** From the index file's header alone; undefined when there is none. */
async function readMaxTime(storage: Storage, segment: Segment): Promise<number | undefined> {
  try {
    const file = await storage.open(indexPath(segment.path), 'existing');
    const head = Buffer.alloc(indexHeaderBytes);
    await file.read(head, 0);
    await file.close();
    return readUint64(head, 32) || undefined;
  } catch {
    return undefined;
  }
}

function at(options: RecoveryOptions, offset: number): Position {
  return { logId: options.logId, partition: options.partition, offset, line: 0 };
}

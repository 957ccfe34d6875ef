import { AppError } from '../../core/errors.ts';
import type { Logger } from '../../core/logger.ts';
import type { Position } from '../../core/position.ts';
import { appId, type AppId } from '../../core/ids.ts';
import type { Entries, Entry } from '../bus.ts';
import type { AppHeads } from './app-heads.ts';
import { readAround } from './damaged-media.ts';
import { isNoSpace } from './disk-errors.ts';
import { makeDurableDirectory } from './durable-directory.ts';
import { indexSegment, type IndexCache, type KnownBefore } from './index-cache.ts';
import { baseOf, createSegment, Segment, segmentPath, writeDraft } from './segment.ts';
import {
  decodeSegmentHeader,
  encodeSegmentHeader,
  envelopedBytesMin,
  segmentHeaderBytes,
} from './segment-format.ts';
import { IndexBuilder } from './index-builder.ts';
import type { ScanResult } from './segment-scan.ts';
import {
  checkpointedHeads,
  headEntries,
  headsThrough,
  learnEnd,
  nextEntries,
  uncountedKey,
} from './partition-checkpoint.ts';
import type { RecoveredPartition } from './partition-log.ts';
import type { Storage, StorageFile } from './storage.ts';

export interface RecoveryOptions {
  readonly logId: string;
  readonly partition: number;
  readonly salt: number;
  readonly directory: string;
  /** The log was closed in order, so that every byte of it is known to be on disk. */
  readonly wasClosed: boolean;
  /** Checkpoints may have lost entries: what the segments say counts. */
  readonly isCheckpointDamaged: boolean;
}

export interface RecoveryParts {
  readonly storage: Storage;
  readonly indexes: IndexCache;
  readonly logger: Logger;
  /** The partition's checkpoint: see `partition-checkpoint.ts`. */
  readonly checkpoint: Entries;
  /** Makes checkpoint entries durable. */
  readonly keep: (entries: ReadonlyMap<string, Entry>) => Promise<void>;
  readonly onCorrupt: (path: string, fileAt: number) => void;
}

/**
 * Opens a partition's segments and brings back what was in memory. Takes no longer for a larger backlog: only
 * the active segment is read, and the indexes of those sealed after the last checkpoint.
 *
 * After anything but an orderly close the active segment's valid records are copied into a new, fsynced file
 * before they are served: what the page cache shows need not be what the disk has. Without space for that they are
 * written once more where they are.
 */
export async function recoverPartition(
  options: RecoveryOptions,
  parts: RecoveryParts,
): Promise<RecoveredPartition> {
  await makeDurableDirectory(parts.storage, options.directory);
  await removeLeftovers(options, parts);
  const segments: Segment[] = [];
  try {
    await openSegments(options, parts, segments);
    // A successor may have its name in the cache alone. The checkpoint must not speak of what it took over from
    // before it is there to stay: without it, its predecessor would be the active segment again.
    await parts.storage.syncDirectory(options.directory);
    const heads = checkpointedHeads(parts.checkpoint, (offset) => at(options, offset));
    await learnSealed(options, parts, segments.slice(0, -1), heads);
    const last = segments.at(-1);
    const recovered = last
      ? await recoverActive(options, parts, segments, last, heads)
      : await startEmpty(options, parts, segments, heads);
    return await aboveReached(options, parts, recovered);
  } catch (error) {
    for (const segment of segments) await segment.retire().catch(() => undefined);
    throw error;
  }
}

async function learnSealed(
  options: RecoveryOptions,
  parts: RecoveryParts,
  sealed: readonly Segment[],
  heads: AppHeads,
): Promise<void> {
  const sealedThrough = options.isCheckpointDamaged ? 0 : headsThrough(parts.checkpoint);
  const known = before(options, heads);
  const learned = new Set<AppId>();
  for (const segment of sealed) {
    const index =
      segment.base >= sealedThrough ? await parts.indexes.of(segment, 0, known) : undefined;
    segment.maxTimeMs =
      index?.maxTimeMs ??
      (await parts.indexes.headerOf(segment))?.maxTimeMs ??
      (await parts.indexes.of(segment, 0)).maxTimeMs;
    for (const app of index?.apps() ?? []) {
      const run = index?.find(app);
      if (run) heads.learn(app, run.firstSeq + run.lines, at(options, run.offset(run.records - 1)));
      learned.add(app);
    }
  }
  if (learned.size === 0) return;
  // The next seal speaks of its own apps alone, and says that everything before it is in the checkpoint.
  await parts.keep(headEntries(heads, learned, (sealed.at(-1)?.base ?? 0) + 1));
}

/**
 * Where the last records of an app turned out to be corrupt, its numbers and the partition's offsets go on above
 * everything that cursors have passed: what is stored from now on would otherwise lie behind them.
 */
async function aboveReached(
  options: RecoveryOptions,
  parts: RecoveryParts,
  recovered: RecoveredPartition,
): Promise<RecoveredPartition> {
  let { nextOffset } = recovered;
  const uncounted = new Map<string, Entry>();
  for (const entry of parts.checkpoint.values()) {
    const { reached } = entry;
    if (!Array.isArray(reached) || reached[0] !== options.logId) continue;
    const [app = 0, offset = 0, seq = 0] = reached.slice(1).map(Number);
    nextOffset = Math.max(nextOffset, offset);
    if (!recovered.heads.raise(appId(app), seq)) continue;
    uncounted.set(uncountedKey(appId(app)), { seq });
    parts.logger.error({ appId: app, seq }, 'log.lines_handed_out_are_gone');
  }
  if (uncounted.size > 0) {
    // What looked like a torn tail was not one.
    const active = recovered.segments.at(-1);
    if (active) parts.onCorrupt(active.path, active.bytes);
    await parts.keep(uncounted);
  }
  return { ...recovered, nextOffset };
}

async function recoverActive(
  options: RecoveryOptions,
  parts: RecoveryParts,
  segments: Segment[],
  segment: Segment,
  heads: AppHeads,
): Promise<RecoveredPartition> {
  const known = before(options, heads);
  const { index, scan } = await indexSegment(segment, known);
  for (const fileAt of scan.corruptAt) parts.onCorrupt(segment.path, fileAt);
  const nextOffset = Math.max(index.end, segment.base, learnEnd(parts.checkpoint, known));
  const skipped = await cutTail(options, parts, { segment, scan, nextOffset });
  segment.bytes = scan.validEnd;
  segment.active = index;
  if (!options.wasClosed) {
    await rewrite(options, parts, segment).catch(async (error: unknown) => {
      if (!isNoSpace(error)) throw error;
      parts.logger.warn({ err: error, path: segment.path }, 'log.written_again_in_place');
      await copyRecords(segment, segment.file);
    });
  }
  await segment.file.sync();
  return { segments, active: index, heads, nextOffset: nextOffset + skipped };
}

/**
 * Removes what follows the last valid record. It may have been records that somebody saw, and rotted: the
 * offsets that they can have had are not given again, or a cursor behind them would skip new records.
 * Returns how many offsets are left out.
 */
async function cutTail(
  options: RecoveryOptions,
  parts: RecoveryParts,
  end: { readonly segment: Segment; readonly scan: ScanResult; readonly nextOffset: number },
): Promise<number> {
  const { segment, scan } = end;
  const cutBytes = scan.size - scan.validEnd;
  if (cutBytes <= 0) return 0;
  if (options.wasClosed) parts.onCorrupt(segment.path, scan.validEnd);
  else parts.logger.warn({ path: segment.path, cutBytes }, 'log.torn_tail_cut');
  const skipped = Math.ceil(cutBytes / envelopedBytesMin);
  await parts.keep(nextEntries(end.nextOffset + skipped));
  await segment.file.truncate(scan.validEnd);
  return skipped;
}

/** Replaces the file by a copy that is known to be on disk. */
async function rewrite(
  options: RecoveryOptions,
  parts: RecoveryParts,
  segment: Segment,
): Promise<void> {
  const { storage } = parts;
  const { logId, partition } = options;
  const path = `${segment.path}.tmp`;
  const copy = await writeDraft(storage, path, async (draft) => {
    const header = { logId, partition, base: segment.base, salt: segment.salt };
    await draft.write([encodeSegmentHeader(header)], 0);
    await copyRecords(segment, draft);
    await draft.sync();
    await storage.rename(path, segment.path);
  });
  await segment.replaceFile(copy);
  await storage.syncDirectory(options.directory);
}

/** To their places in `file`: another one, or its own, whose pages are then new to the disk. */
async function copyRecords(segment: Segment, file: StorageFile): Promise<void> {
  for (let copied = segmentHeaderBytes; copied < segment.bytes;) {
    const chunk = await segment.readBytes(copied, copyChunkBytes);
    if (chunk.length === 0) break;
    await file.write([chunk], copied);
    copied += chunk.length;
  }
}

const copyChunkBytes = 4 * 1024 * 1024;

async function startEmpty(
  options: RecoveryOptions,
  parts: RecoveryParts,
  segments: Segment[],
  heads: AppHeads,
): Promise<RecoveredPartition> {
  const { logId, partition, directory, salt } = options;
  const base = learnEnd(parts.checkpoint, before(options, heads));
  const segment = await createSegment(parts.storage, directory, { logId, partition, base, salt });
  segments.push(segment);
  await parts.storage.syncDirectory(directory);
  const active = new IndexBuilder(base);
  segment.active = active;
  return { segments, active, heads, nextOffset: base };
}

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
    const segment = new Segment({ base, path, salt: options.salt }, file, 0);
    segment.older = segments.at(-1);
    segments.push(segment);
    segment.bytes = Math.max(await file.size(), segmentHeaderBytes);
    const head = Buffer.alloc(segmentHeaderBytes);
    await readAround(file, head, 0);
    // Its name says where it begins, and its salt is the log's: the records can be read all the same.
    const header = decodeSegmentHeader(head);
    if (!header) parts.onCorrupt(path, 0);
    else if (header.logId !== options.logId) throw foreign(path, header.logId, options.logId);
  }
}

/** Every record of it would look like damage, and the last segment's would be cut off. */
function foreign(path: string, found: string, expected: string): AppError {
  return new AppError(
    'BUS_CORRUPT',
    `${path} is of the log ${found}, but log.json says ${expected}: files of two logs are in one directory`,
  );
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

function before(options: RecoveryOptions, heads: AppHeads): KnownBefore {
  return { heads, positionOf: (offset) => at(options, offset) };
}

function at(options: RecoveryOptions, offset: number): Position {
  return { logId: options.logId, partition: options.partition, offset, line: 0 };
}

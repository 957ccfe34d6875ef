/**
 * What the log itself writes into the checkpoint of a partition, and reads there at a start, so that a start need not
 * read all segments.
 */
import { appId, type AppId } from '../../core/ids.ts';
import type { Entries, Entry } from '../bus.ts';
import { AppHeads } from './app-heads.ts';
import type { KnownBefore } from './index-cache.ts';
import type { PartitionLog } from './partition-log.ts';

/** Up to which offset the `app:` entries hold. */
const headsKey = 'heads';
const appKeyPrefix = 'app:';
/** What the end of the log was at an orderly close: `next`, and `heads` of the active segment's apps. */
const endKey = 'end';
/** No offset below `next` is given to a new record. */
const nextKey = 'next';

/** The numbers of these apps; those of the others are as the checkpoint has them, up to the offset `through`. */
export function headEntries(
  heads: AppHeads,
  apps: Iterable<AppId>,
  through: number,
): ReadonlyMap<string, Entry> {
  const entries = new Map<string, Entry>();
  for (const app of apps) {
    const { seq, previous } = heads.peek(app);
    if (previous) entries.set(appKeyPrefix + app, { seq, last: previous.offset });
  }
  return entries.set(headsKey, { through });
}

/** The offset up to which the checkpoint has the numbers of all apps. */
export function headsThrough(checkpoint: Entries): number {
  return Number(checkpoint.get(headsKey)?.['through'] ?? 0);
}

export function checkpointedHeads(
  checkpoint: Entries,
  positionOf: KnownBefore['positionOf'],
): AppHeads {
  const heads = new AppHeads();
  for (const [key, entry] of checkpoint) {
    if (!key.startsWith(appKeyPrefix)) continue;
    const app = appId(Number(key.slice(appKeyPrefix.length)));
    heads.learn(app, Number(entry['seq']), positionOf(Number(entry['last'])));
  }
  return heads;
}

/** What an orderly close knows of the end of a partition. */
export function endEntries(log: PartitionLog): ReadonlyMap<string, Entry> {
  const heads = [...(log.segments.at(-1)?.active?.apps() ?? [])].map((app) => {
    const { seq, previous } = log.heads.peek(app);
    return [app, seq, previous?.offset ?? -1];
  });
  return new Map([[endKey, { next: log.headOffset, heads }]]);
}

/** What is known of the end beside the segments; matters where the last records have rotted. Returns the offset. */
export function learnEnd(checkpoint: Entries, { heads, positionOf }: KnownBefore): number {
  const end = checkpoint.get(endKey);
  for (const [app, seq, last] of (end?.['heads'] ?? []) as [number, number, number][]) {
    heads.learn(appId(app), seq, positionOf(last));
  }
  return Math.max(Number(end?.['next'] ?? 0), Number(checkpoint.get(nextKey)?.['offset'] ?? 0));
}

/** No offset below `offset` is given to a new record. */
export function nextEntries(offset: number): ReadonlyMap<string, Entry> {
  return new Map([[nextKey, { offset }]]);
}

/** How many lines of the app are missing before its number `seq` is not known: see `Entry`. */
export function uncountedKey(app: AppId): string {
  return `uncounted:${app}`;
}

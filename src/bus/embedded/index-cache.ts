import { decodeRecordHeader } from '../../core/record.ts';
import type { Logger } from '../../core/logger.ts';
import { readAround } from './damaged-media.ts';
import { indexPath, writeDraft, type Segment } from './segment.ts';
import type { ReadFlow, ReadScheduler } from './read-scheduler.ts';
import { recordAt, type Envelope } from './segment-format.ts';
import { scanSegment, type ReadBytes, type ScanResult } from './segment-scan.ts';
import { IndexBuilder } from './index-builder.ts';
import { decodeIndexHeader, indexHeaderBytes, type IndexHeader } from './index-format.ts';
import { LoadedIndex } from './loaded-index.ts';
import type { SegmentIndex } from './segment-index.ts';
import type { AppHeads } from './app-heads.ts';
import type { Position } from '../../core/position.ts';
import type { Storage } from './storage.ts';

export interface IndexCacheOptions {
  /** Indexes of sealed segments held in memory, in bytes; the least recently used go first. */
  readonly bytesMax: number;
}

export interface IndexCacheParts {
  readonly storage: Storage;
  readonly logger: Logger;
  readonly scheduler: ReadScheduler;
  /** Called for each place in a segment that turned out to be no record while its index was made again. */
  readonly onCorrupt: (path: string, fileAt: number) => void;
}

/** What is known before a segment: an app's last record before it is written nowhere else than in its index. */
export interface KnownBefore {
  readonly heads: AppHeads;
  readonly positionOf: (offset: number) => Position;
}

/** The indexes of sealed segments, loaded when needed and made anew from the segment when damaged. */
export class IndexCache {
  readonly #options: IndexCacheOptions;
  readonly #parts: IndexCacheParts;
  readonly #loaded = new Map<Segment, LoadedIndex>();
  readonly #loading = new Map<Segment, Promise<LoadedIndex>>();
  #bytes = 0;

  constructor(options: IndexCacheOptions, parts: IndexCacheParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Loading it is a read of `flow`. */
  async of(segment: Segment, flow: ReadFlow, known?: KnownBefore): Promise<SegmentIndex> {
    if (segment.active) return segment.active;
    const cached = this.#loaded.get(segment);
    if (cached) {
      this.#loaded.delete(segment);
      this.#loaded.set(segment, cached);
      return cached;
    }
    let loading = this.#loading.get(segment);
    if (!loading) {
      loading = this.#load(segment, flow, known).finally(() => this.#loading.delete(segment));
      this.#loading.set(segment, loading);
    }
    return loading;
  }

  forget(segment: Segment): void {
    this.#bytes -= this.#loaded.get(segment)?.byteLength ?? 0;
    this.#loaded.delete(segment);
  }

  /** The index file's header alone; undefined when it is damaged or of another state of the segment. */
  async headerOf(segment: Segment): Promise<IndexHeader | undefined> {
    const head = await this.#readFile(segment, 0, indexHeaderBytes);
    return head && current(decodeIndexHeader(head), segment);
  }

  async #load(
    segment: Segment,
    flow: ReadFlow,
    known: KnownBefore | undefined,
  ): Promise<LoadedIndex> {
    const index = (await this.#read(segment, flow)) ?? (await this.#rebuild(segment, flow, known));
    if (segment.isDropped) return index;
    this.#loaded.set(segment, index);
    this.#bytes += index.byteLength;
    for (const oldest of this.#loaded.keys()) {
      if (this.#bytes <= this.#options.bytesMax || oldest === segment) break;
      this.forget(oldest);
    }
    return index;
  }

  async #read(segment: Segment, flow: ReadFlow): Promise<LoadedIndex | undefined> {
    const bytes = await this.#readFile(segment, flow);
    return bytes && current(LoadedIndex.decode(bytes), segment);
  }

  #readFile(segment: Segment, flow: ReadFlow, bytesMax = Infinity): Promise<Buffer | undefined> {
    return this.#parts.scheduler.run(flow, async () => {
      const value = await this.#readNow(segment, bytesMax);
      return { value, bytes: value?.length ?? 0 };
    });
  }

  async #readNow(segment: Segment, bytesMax: number): Promise<Buffer | undefined> {
    let file;
    try {
      file = await this.#parts.storage.open(indexPath(segment.path), 'existing');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
    try {
      const bytes = Buffer.allocUnsafeSlow(Math.min(await file.size(), bytesMax));
      return bytes.subarray(0, await readAround(file, bytes, 0));
    } finally {
      await file.close();
    }
  }

  /** An app's last record before a segment is not written in it: the segments before it have it. */
  async #findPrevious(index: IndexBuilder, segment: Segment, flow: ReadFlow): Promise<void> {
    const wanted = new Set(index.appsWithoutPrevious());
    for (let older = segment.older; older && wanted.size > 0; older = older.older) {
      const olderIndex = await this.of(older, flow);
      for (const app of wanted) {
        const run = olderIndex.find(app);
        if (!run) continue;
        index.setPrevious(app, run.offset(run.records - 1));
        wanted.delete(app);
      }
    }
  }

  async #rebuild(
    segment: Segment,
    flow: ReadFlow,
    known: KnownBefore | undefined,
  ): Promise<LoadedIndex> {
    const { logger, storage, onCorrupt, scheduler } = this.#parts;
    const { index, scan } = await indexSegment(segment, known, (at, length) =>
      scheduler.run(flow, async () => {
        const value = await segment.readBytes(at, length);
        return { value, bytes: value.length };
      }),
    );
    for (const fileAt of scan.corruptAt) onCorrupt(segment.path, fileAt);
    if (scan.validEnd < scan.size) onCorrupt(segment.path, scan.validEnd);
    await this.#findPrevious(index, segment, flow);
    const bytes = index.encode(segment.bytes);
    if (!segment.isDropped) {
      // It serves from memory all the same; a full disk must not keep a log from being read.
      await writeIndex(storage, segment.path, bytes).catch((error: unknown) =>
        logger.warn({ err: error, path: segment.path }, 'log.index_not_written'),
      );
    }
    const loaded = LoadedIndex.decode(bytes);
    if (!loaded) throw new Error('an index that was just made cannot be read');
    return loaded;
  }
}

function current<T extends { base: number; segmentBytes: number }>(
  index: T | undefined,
  segment: Segment,
): T | undefined {
  return index?.base === segment.base && index.segmentBytes === segment.bytes ? index : undefined;
}

/** Puts an index file in its place; it can be made again, so that its own durability does not matter. */
export async function writeIndex(storage: Storage, segment: string, bytes: Buffer): Promise<void> {
  const path = indexPath(segment);
  const file = await writeDraft(storage, `${path}.tmp`, async (draft) => {
    await draft.write([bytes], 0);
    await draft.sync();
    await storage.rename(`${path}.tmp`, path);
  });
  await file.close();
}

/** Makes an index by reading the segment. What is known before it also learns what the segment holds. */
export async function indexSegment(
  segment: Segment,
  known?: KnownBefore,
  read?: ReadBytes,
): Promise<{ index: IndexBuilder; scan: ScanResult }> {
  const index = new IndexBuilder(segment.base);
  const learn = (envelope: Envelope, fileAt: number): void => {
    const record = decodeRecordHeader(envelope.checked, recordAt);
    const before = known?.heads.peek(record.app).previous?.offset ?? -1;
    index.add({
      app: record.app,
      offset: envelope.ordinal,
      fileAt,
      bytes: envelope.bytes,
      lines: record.lines,
      appSeq: envelope.appSeq,
      // A head from a checkpoint may be that of a later segment.
      previousOffset: before < envelope.ordinal ? before : -1,
      timeMs: record.receivedAtMs,
    });
    known?.heads.learn(
      record.app,
      envelope.appSeq + record.lines,
      known.positionOf(envelope.ordinal),
    );
  };
  const scan = await scanSegment(segment, learn, read);
  return { index, scan };
}

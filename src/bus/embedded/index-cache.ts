import { decodeRecordHeader } from '../../core/record.ts';
import { isNoSpace } from './disk-errors.ts';
import { indexPath, type Segment } from './segment.ts';
import { scanSegment, type ScanResult } from './segment-scan.ts';
import { IndexBuilder, LoadedIndex, type SegmentIndex } from './segment-index.ts';
import type { AppHeads } from './app-heads.ts';
import type { Position } from '../../core/position.ts';
import type { Storage } from './storage.ts';

export interface IndexCacheOptions {
  /** Indexes of sealed segments held in memory, in bytes; the least recently used go first. */
  readonly bytesMax: number;
}

/** The indexes of sealed segments, loaded when needed and made anew from the segment when damaged. */
export class IndexCache {
  readonly #options: IndexCacheOptions;
  readonly #storage: Storage;
  readonly #loaded = new Map<Segment, LoadedIndex>();
  readonly #loading = new Map<Segment, Promise<LoadedIndex>>();
  #bytes = 0;

  constructor(options: IndexCacheOptions, parts: { storage: Storage }) {
    this.#options = options;
    this.#storage = parts.storage;
  }

  async of(segment: Segment): Promise<SegmentIndex> {
    if (segment.active) return segment.active;
    const cached = this.#loaded.get(segment);
    if (cached) {
      this.#loaded.delete(segment);
      this.#loaded.set(segment, cached);
      return cached;
    }
    let loading = this.#loading.get(segment);
    if (!loading) {
      loading = this.#load(segment).finally(() => this.#loading.delete(segment));
      this.#loading.set(segment, loading);
    }
    return loading;
  }

  forget(segment: Segment): void {
    this.#bytes -= this.#loaded.get(segment)?.byteLength ?? 0;
    this.#loaded.delete(segment);
  }

  /** Takes the index of a segment that has just been sealed and whose file could not be written. */
  keep(segment: Segment, bytes: Buffer): void {
    const index = LoadedIndex.decode(bytes);
    if (index) this.#remember(segment, index);
  }

  async #load(segment: Segment): Promise<LoadedIndex> {
    const index = (await this.#read(segment)) ?? (await this.#rebuild(segment));
    this.#remember(segment, index);
    return index;
  }

  #remember(segment: Segment, index: LoadedIndex): void {
    this.#loaded.set(segment, index);
    this.#bytes += index.byteLength;
    for (const oldest of this.#loaded.keys()) {
      if (this.#bytes <= this.#options.bytesMax || oldest === segment) break;
      this.forget(oldest);
    }
  }

  async #read(segment: Segment): Promise<LoadedIndex | undefined> {
    let file;
    try {
      file = await this.#storage.open(indexPath(segment.path), 'existing');
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined;
      throw error;
    }
    try {
      const bytes = Buffer.allocUnsafeSlow(await file.size());
      await file.read(bytes, 0);
      const index = LoadedIndex.decode(bytes);
      return index?.base === segment.base ? index : undefined;
    } finally {
      await file.close();
    }
  }

  async #rebuild(segment: Segment): Promise<LoadedIndex> {
    const { index } = await indexSegment(segment);
    const bytes = index.encode();
    // Without room for the file it is made again when it is needed again.
    await writeIndex(this.#storage, segment.path, bytes).catch((error: unknown) => {
      if (!isNoSpace(error)) throw error;
    });
    const loaded = LoadedIndex.decode(bytes);
    if (!loaded) throw new Error('an index that was just made cannot be read');
    return loaded;
  }
}

/** Puts an index file in its place; it can be made again, so that its own durability does not matter. */
export async function writeIndex(storage: Storage, segment: string, bytes: Buffer): Promise<void> {
  const path = indexPath(segment);
  const file = await storage.open(`${path}.tmp`, 'create');
  try {
    await file.write([bytes], 0);
    await file.sync();
  } catch (error) {
    await storage.unlink(`${path}.tmp`).catch(() => undefined);
    throw error;
  } finally {
    await file.close();
  }
  await storage.rename(`${path}.tmp`, path);
}

/**
 * Makes an index by reading the segment. An app's last record before the segment is not written in it:
 * only `heads`, when given, knows it. They also learn what the segment holds.
 */
export async function indexSegment(
  segment: Segment,
  known?: { heads: AppHeads; positionOf: (offset: number) => Position },
): Promise<{ index: IndexBuilder; scan: ScanResult }> {
  const index = new IndexBuilder(segment.base);
  const scan = await scanSegment(segment.file, (envelope, fileAt) => {
    const { record } = decodeRecordHeader(envelope.record);
    index.add({
      app: record.app,
      offset: envelope.ordinal,
      fileAt,
      bytes: envelope.bytes,
      lines: record.lines,
      appSeq: envelope.appSeq,
      previousOffset: known?.heads.peek(record.app).previous?.offset ?? -1,
      timeMs: record.receivedAtMs,
    });
    known?.heads.learn(
      record.app,
      envelope.appSeq + record.lines,
      known.positionOf(envelope.ordinal),
    );
  });
  return { index, scan };
}

import { crc32c } from '@node-rs/crc32';
import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import type { CheckpointStore, Entries, Entry } from '../bus.ts';
import type { Storage, StorageFile } from './storage.ts';

export interface CheckpointJournalOptions {
  readonly directory: string;
  /** The journal is written anew when it is longer than this and four times what it would then be. */
  readonly compactBytesMin: number;
  /** What was appended is fsynced at most this much later. */
  readonly syncEveryMs: number;
}

export interface CheckpointJournalParts {
  readonly storage: Storage;
  readonly clock: Clock;
  readonly logger: Logger;
  /** The disk refused; what was appended may not survive. */
  readonly failed: (error: unknown) => void;
}

type Change = [partition: number, epoch: number, key: string, entry: Entry];
type LiveEntry = { readonly epoch: number; readonly entry: Exclude<Entry, null> };

/**
 * The checkpoints of the embedded log: a journal of changes, and in memory what they add up to.
 * Chunk: magic(4) length(4) crc32c(4) JSON; a chunk that is not whole or not right is skipped.
 */
export class CheckpointJournal implements CheckpointStore {
  readonly #options: CheckpointJournalOptions;
  readonly #parts: CheckpointJournalParts;
  readonly #live = new Map<number, Map<string, LiveEntry>>();
  #pending: Change[] = [];
  #writing: Promise<void> | undefined;
  #isDirty = false;
  #syncing: Promise<void> = Promise.resolve();
  /** A write failed: the file lacks changes that memory has, so that it must be written anew. */
  #isBehind = false;
  #file: StorageFile | undefined;
  #fileBytes = 0;
  #liveBytes = 0;
  #generation = 0;
  #stopTicking: () => void = () => undefined;

  private constructor(options: CheckpointJournalOptions, parts: CheckpointJournalParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** Reads the newest journal and goes on with a fresh, fsynced copy of what it adds up to. */
  static async open(
    options: CheckpointJournalOptions,
    parts: CheckpointJournalParts,
  ): Promise<CheckpointJournal> {
    const journal = new CheckpointJournal(options, parts);
    await parts.storage.makeDirectory(options.directory);
    await journal.#read();
    await journal.#compact();
    journal.#stopTicking = parts.clock.every(options.syncEveryMs, () => {
      journal.sync().catch(parts.failed);
    });
    return journal;
  }

  load(partition: number): Promise<Entries> {
    const live = this.#live.get(partition) ?? new Map<string, LiveEntry>();
    return Promise.resolve(new Map([...live].map(([key, { entry }]) => [key, entry])));
  }

  append(partition: number, epoch: number, entries: ReadonlyMap<string, Entry>): Promise<void> {
    for (const [key, entry] of entries) {
      const change: Change = [partition, epoch, key, entry];
      this.#apply(change);
      this.#pending.push(change);
    }
    this.#writing ??= this.#writeAll();
    return this.#writing;
  }

  async sync(): Promise<void> {
    if (this.#isBehind) this.#writing ??= this.#writeAll();
    await this.#writing;
    await this.#syncing;
    if (!this.#isDirty) return;
    this.#isDirty = false;
    this.#syncing = (this.#file?.sync() ?? Promise.resolve()).catch((error: unknown) => {
      this.#isDirty = true;
      throw error;
    });
    await this.#syncing;
  }

  async close(): Promise<void> {
    this.#stopTicking();
    await this.sync();
    await this.#closeFile();
  }

  /** Ends it as a crash would. */
  async abandon(): Promise<void> {
    this.#stopTicking();
    await this.#writing?.catch(() => undefined);
    await this.#syncing.catch(() => undefined);
    await this.#closeFile();
  }

  async #closeFile(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  async #writeAll(): Promise<void> {
    // One turn later, so that all changes of this turn share a write.
    await new Promise((resolve) => setImmediate(resolve));
    try {
      while (this.#pending.length > 0 || this.#isBehind) {
        const changes = this.#pending;
        this.#pending = [];
        if (this.#isBehind || this.#isBloated()) await this.#compact();
        else await this.#write(changes);
      }
    } catch (error) {
      this.#isBehind = true;
      this.#parts.failed(error);
      throw error;
    } finally {
      this.#writing = undefined;
    }
  }

  async #write(changes: readonly Change[]): Promise<void> {
    const chunk = encodeChunk(changes);
    await this.#file?.write([chunk], this.#fileBytes);
    this.#fileBytes += chunk.length;
    this.#isDirty = true;
  }

  #isBloated(): boolean {
    return this.#fileBytes > Math.max(this.#options.compactBytesMin, 4 * this.#liveBytes);
  }

  /** Everything that holds now, in a new file that takes the old one's place once it is durable. */
  async #compact(): Promise<void> {
    const { storage } = this.#parts;
    const { directory } = this.#options;
    const chunk = encodeChunk([...this.#changes()]);
    const path = journalPath(directory, this.#generation + 1);
    const file = await storage.open(`${path}.tmp`, 'create');
    try {
      await file.write([chunk], 0);
      await file.sync();
      await storage.rename(`${path}.tmp`, path);
      await storage.syncDirectory(directory);
    } catch (error) {
      await file.close();
      await storage.unlink(`${path}.tmp`).catch(() => undefined);
      throw error;
    }
    const old = this.#file;
    this.#file = file;
    this.#fileBytes = this.#liveBytes = chunk.length;
    this.#generation++;
    this.#isBehind = false;
    await this.#syncing.catch(() => undefined);
    await old?.close();
    for (const name of await storage.list(directory)) {
      const generation = generationOf(name);
      if (generation !== undefined && generation < this.#generation) {
        await storage.unlink(`${directory}/${name}`);
      }
    }
  }

  *#changes(): Iterable<Change> {
    for (const [partition, entries] of this.#live) {
      for (const [key, { epoch, entry }] of entries) yield [partition, epoch, key, entry];
    }
  }

  async #read(): Promise<void> {
    const { storage, logger } = this.#parts;
    const names = await storage.list(this.#options.directory);
    const generations = names.map(generationOf).filter((generation) => generation !== undefined);
    this.#generation = Math.max(0, ...generations);
    if (this.#generation === 0) return;
    const file = await storage.open(
      journalPath(this.#options.directory, this.#generation),
      'existing',
    );
    const bytes = await wholeFile(file);
    const skipped = decodeChunks(bytes, (change) => this.#apply(change));
    if (skipped > 0) logger.warn({ skippedBytes: skipped }, 'checkpoints.unreadable_bytes_skipped');
  }

  #apply([partition, epoch, key, entry]: Change): void {
    const live = this.#live.get(partition) ?? new Map<string, LiveEntry>();
    this.#live.set(partition, live);
    if (entry === null) live.delete(key);
    else live.set(key, { epoch, entry });
  }
}

const magic = 0x4b435053; // "SPCK"
const chunkHeadBytes = 12;
const magicBytes = Buffer.from([
  magic & 0xff,
  (magic >> 8) & 0xff,
  (magic >> 16) & 0xff,
  magic >>> 24,
]);

function encodeChunk(changes: readonly Change[]): Buffer {
  const json = Buffer.from(JSON.stringify(changes));
  const chunk = Buffer.allocUnsafe(chunkHeadBytes + json.length);
  chunk.writeUInt32LE(magic, 0);
  chunk.writeUInt32LE(json.length, 4);
  chunk.writeUInt32LE(crc32c(json), 8);
  json.copy(chunk, chunkHeadBytes);
  return chunk;
}

/** Calls `apply` for each change of each whole chunk; returns how many bytes were none. */
function decodeChunks(bytes: Buffer, apply: (change: Change) => void): number {
  let skipped = 0;
  for (let at = 0; at < bytes.length;) {
    const json = chunkAt(bytes, at);
    if (json) {
      for (const change of JSON.parse(json.toString()) as Change[]) apply(change);
      at += chunkHeadBytes + json.length;
      continue;
    }
    const next = bytes.indexOf(magicBytes, at + 1);
    const end = next < 0 ? bytes.length : next;
    skipped += end - at;
    at = end;
  }
  return skipped;
}

function chunkAt(bytes: Buffer, at: number): Buffer | undefined {
  if (at + chunkHeadBytes > bytes.length || bytes.readUInt32LE(at) !== magic) return undefined;
  const length = bytes.readUInt32LE(at + 4);
  if (at + chunkHeadBytes + length > bytes.length) return undefined;
  const json = bytes.subarray(at + chunkHeadBytes, at + chunkHeadBytes + length);
  return crc32c(json) === bytes.readUInt32LE(at + 8) ? json : undefined;
}

/** Reads and closes it. */
async function wholeFile(file: StorageFile): Promise<Buffer> {
  const bytes = Buffer.allocUnsafeSlow(await file.size());
  try {
    await file.read(bytes, 0);
  } finally {
    await file.close();
  }
  return bytes;
}

function journalPath(directory: string, generation: number): string {
  return `${directory}/${String(generation).padStart(9, '0')}.journal`;
}

function generationOf(name: string): number | undefined {
  const match = /^(\d{9})\.journal$/.exec(name);
  return match ? Number(match[1]) : undefined;
}

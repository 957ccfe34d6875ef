import type { Clock } from '../../core/clock.ts';
import type { Logger } from '../../core/logger.ts';
import type { CheckpointStore, Entries, Entry } from '../bus.ts';
import { decodeAll, encodeChunk, type Change } from './checkpoint-chunks.ts';
import { readAround } from './damaged-media.ts';
import { makeDurableDirectory } from './durable-directory.ts';
import { JournalCopy } from './journal-copy.ts';
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

/** Entry of partition 0 that stands after damage was found, until it is deleted: other entries may be missing or old. */
export const damagedKey = 'damaged';

type LiveEntry = { readonly epoch: number; readonly entry: Exclude<Entry, null> };

/**
 * The checkpoints of the embedded log: a journal of changes, and in memory what they add up to.
 */
export class CheckpointJournal implements CheckpointStore {
  readonly #options: CheckpointJournalOptions;
  readonly #parts: CheckpointJournalParts;
  readonly #live = new Map<number, Map<string, LiveEntry>>();
  #pending: Change[] = [];
  #writing: Promise<void> | undefined;
  #isDirty = false;
  #syncing: Promise<void> | undefined;
  /** A write failed: the file lacks changes that memory has, so that it must be written anew. */
  #isBehind = false;
  /** What is to take the file's place; the writer waits for it only when the file is behind. */
  #copy: JournalCopy | undefined;
  #copying: Promise<JournalCopy> | undefined;
  #isCopied = false;
  #replacing: Promise<void> | undefined;
  #file: StorageFile | undefined;
  #fileBytes = 0;
  #liveBytes = 0;
  /** After a copy that failed: how long the journal has to become for the next try. */
  #againAtBytes = 0;
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
    await makeDurableDirectory(parts.storage, options.directory);
    await journal.#read();
    try {
      await journal.#replace();
    } catch (error) {
      await journal.#closeFile();
      throw error;
    }
    journal.#stopTicking = parts.clock.every(options.syncEveryMs, () => {
      // Whoever needs to know has been told.
      journal.sync().catch(() => undefined);
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
      this.#copy?.note(change);
    }
    this.#writing ??= this.#writeAll();
    return this.#writing;
  }

  async sync(): Promise<void> {
    await this.#writing;
    if (this.#isBehind) await (this.#writing ??= this.#writeAll());
    while (this.#syncing) await this.#syncing;
    if (!this.#isDirty) return;
    this.#syncing = this.#syncFile().finally(() => (this.#syncing = undefined));
    await this.#syncing;
  }

  async close(): Promise<void> {
    this.#stopTicking();
    await this.sync();
    // That may have begun one.
    await this.#replacing;
    await this.sync();
    await this.#closeFile();
  }

  /** Stops without a last sync, as a crash would. */
  async abandon(): Promise<void> {
    this.#stopTicking();
    await this.#writing?.catch(() => undefined);
    await this.#replacing;
    await this.#syncing?.catch(() => undefined);
    await this.#closeFile();
  }

  async #closeFile(): Promise<void> {
    const file = this.#file;
    this.#file = undefined;
    await file?.close();
  }

  async #syncFile(): Promise<void> {
    this.#isDirty = false;
    try {
      await this.#file?.sync();
    } catch (error) {
      // What was to be synced may be lost although the file shows it.
      this.#isDirty = this.#isBehind = true;
      this.#parts.failed(error);
      throw error;
    }
  }

  async #writeAll(): Promise<void> {
    // One turn later, so that all changes of this turn share a write.
    await new Promise((resolve) => setImmediate(resolve));
    try {
      while (this.#pending.length > 0 || this.#isBehind || this.#isCopied) {
        if (this.#isBehind || this.#isCopied) await this.#replace();
        else await this.#write(this.#pending.splice(0));
      }
    } catch (error) {
      this.#isBehind = true;
      this.#parts.failed(error);
      throw error;
    } finally {
      this.#writing = undefined;
    }
    if (this.#isBloated()) this.#replacing ??= this.#replaceLater();
  }

  async #write(changes: readonly Change[]): Promise<void> {
    const chunk = encodeChunk(changes);
    await this.#file?.write([chunk], this.#fileBytes);
    this.#fileBytes += chunk.length;
    this.#isDirty = true;
  }

  #isBloated(): boolean {
    const { compactBytesMin } = this.#options;
    return this.#fileBytes > Math.max(compactBytesMin, 4 * this.#liveBytes, this.#againAtBytes);
  }

  /** Writes go on while the copy is made, because drains wait for theirs before they send; should it fail, as before. */
  async #replaceLater(): Promise<void> {
    try {
      await this.#copied();
      // Whoever waits for that is told when it fails.
      await (this.#writing ??= this.#writeAll()).catch(() => undefined);
    } catch (error) {
      this.#againAtBytes = this.#fileBytes + this.#options.compactBytesMin;
      this.#parts.failed(error);
    } finally {
      this.#replacing = undefined;
    }
  }

  /** Everything that holds, in a file of its own, durable. */
  #copied(): Promise<JournalCopy> {
    this.#copying ??= this.#makeCopy();
    return this.#copying;
  }

  async #makeCopy(): Promise<JournalCopy> {
    const path = journalPath(this.#options.directory, this.#generation + 1);
    const copy = new JournalCopy(this.#parts.storage, path);
    this.#copy = copy;
    try {
      await copy.write(this.#changes());
    } catch (error) {
      this.#forgetCopy();
      throw error;
    }
    this.#isCopied = true;
    return copy;
  }

  #forgetCopy(): void {
    this.#copy = this.#copying = undefined;
    this.#isCopied = false;
  }

  /** The copy takes the file's place, once its name is durable: until then a sync is one of the old file. */
  async #replace(): Promise<void> {
    const copy = await this.#copied();
    // It has all changes up to now; those that come from now on are for the new file.
    this.#pending = [];
    this.#forgetCopy();
    const file = await copy.publish();
    try {
      await this.#parts.storage.syncDirectory(this.#options.directory);
    } catch (error) {
      await file.close();
      throw error;
    }
    while (this.#syncing) await this.#syncing.catch(() => undefined);
    const old = this.#file;
    this.#file = file;
    this.#fileBytes = this.#liveBytes = copy.bytes;
    this.#generation++;
    this.#againAtBytes = 0;
    this.#isBehind = false;
    await old?.close();
    await this.#removeOthers();
  }

  async #removeOthers(): Promise<void> {
    const { storage } = this.#parts;
    const { directory } = this.#options;
    for (const name of await storage.list(directory)) {
      const generation = generationOf(name);
      if (name.endsWith('.tmp') || (generation !== undefined && generation < this.#generation)) {
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
    const { skippedBytes, isDamaged } = decodeAll(bytes, (change) => this.#apply(change));
    if (skippedBytes > 0) logger.warn({ skippedBytes }, 'checkpoints.unreadable_bytes_skipped');
    // Kept until somebody has looked at what is missing.
    if (isDamaged) this.#apply([0, 0, damagedKey, {}]);
  }

  #apply([partition, epoch, key, entry]: Change): void {
    const live = this.#live.get(partition) ?? new Map<string, LiveEntry>();
    this.#live.set(partition, live);
    if (entry === null) live.delete(key);
    else live.set(key, { epoch, entry });
  }
}

/** Reads and closes it. */
async function wholeFile(file: StorageFile): Promise<Buffer> {
  try {
    const bytes = Buffer.allocUnsafeSlow(await file.size());
    await readAround(file, bytes, 0);
    return bytes;
  } finally {
    await file.close();
  }
}

function journalPath(directory: string, generation: number): string {
  return `${directory}/${String(generation).padStart(9, '0')}.journal`;
}

function generationOf(name: string): number | undefined {
  const match = /^(\d{9})\.journal$/.exec(name);
  return match ? Number(match[1]) : undefined;
}

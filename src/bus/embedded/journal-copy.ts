import { encodeAll, encodeChunks, type Change } from './checkpoint-chunks.ts';
import { writeDraft } from './segment.ts';
import type { Storage, StorageFile } from './storage.ts';

/** A journal with only what still holds, made beside the one in use, which goes on being written. */
export class JournalCopy {
  readonly #storage: Storage;
  readonly #path: string;
  /** What has changed since it was begun and is not in it, the last of each key. */
  #since = new Map<string, Change>();
  #file: StorageFile | undefined;
  #bytes = 0;

  constructor(storage: Storage, path: string) {
    this.#storage = storage;
    this.#path = path;
  }

  get bytes(): number {
    return this.#bytes;
  }

  note(change: Change): void {
    const [partition, , key] = change;
    this.#since.set(`${partition}/${key}`, change);
  }

  /** Writes what holds, durably; each change from the call on must be {@link note}d. */
  async write(changes: Iterable<Change>): Promise<void> {
    this.#file = await writeDraft(this.#storage, this.#draftPath, async (file) => {
      await this.#append(file, await encodeAll(changes));
      await this.#appendNoted(file);
      await file.sync();
    });
  }

  /** Gives it its name, with everything noted so far; durable once the directory is synced. Gone when it throws. */
  async publish(): Promise<StorageFile> {
    const file = this.#file;
    if (!file) throw new Error('a journal was to be published before it was written');
    try {
      if (this.#since.size > 0) {
        await this.#appendNoted(file);
        await file.sync();
      }
      await this.#storage.rename(this.#draftPath, this.#path);
    } catch (error) {
      await file.close().catch(() => undefined);
      await this.#storage.unlink(this.#draftPath).catch(() => undefined);
      throw error;
    }
    return file;
  }

  get #draftPath(): string {
    return `${this.#path}.tmp`;
  }

  async #appendNoted(file: StorageFile): Promise<void> {
    const changes = this.#since;
    this.#since = new Map();
    if (changes.size > 0) await this.#append(file, await encodeChunks(changes.values()));
  }

  async #append(file: StorageFile, bytes: Buffer): Promise<void> {
    await file.write([bytes], this.#bytes);
    this.#bytes += bytes.length;
  }
}

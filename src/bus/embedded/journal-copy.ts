import { encodeAll, encodeChunk, type Change } from './checkpoint-chunks.ts';
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
    this.#file = await this.#storage.open(this.#draftPath, 'create');
    await this.#append(await encodeAll(changes));
    await this.#appendNoted();
    await this.#file.sync();
  }

  /** Gives it its name, with everything noted so far; durable once the directory is synced. Discarded when it throws. */
  async publish(): Promise<StorageFile> {
    const file = this.#file;
    if (!file) throw new Error('a journal was to be published before it was written');
    try {
      if (this.#since.size > 0) {
        await this.#appendNoted();
        await file.sync();
      }
      await this.#storage.rename(this.#draftPath, this.#path);
    } catch (error) {
      await this.discard();
      throw error;
    }
    return file;
  }

  /** Removed, so that it takes no space. */
  async discard(): Promise<void> {
    await this.#file?.close().catch(() => undefined);
    await this.#storage.unlink(this.#draftPath).catch(() => undefined);
  }

  get #draftPath(): string {
    return `${this.#path}.tmp`;
  }

  async #appendNoted(): Promise<void> {
    const changes = [...this.#since.values()];
    this.#since = new Map();
    if (changes.length > 0) await this.#append(encodeChunk(changes));
  }

  async #append(bytes: Buffer): Promise<void> {
    await this.#file?.write([bytes], this.#bytes);
    this.#bytes += bytes.length;
  }
}

import { mkdir, open, readdir, rename, statfs, unlink, type FileHandle } from 'node:fs/promises';
import { join } from 'node:path';
import type { Storage, StorageFile } from './storage.ts';

/** The real file system below `root`. */
export class NodeStorage implements Storage {
  readonly #root: string;

  constructor(root: string) {
    this.#root = root;
  }

  async makeDirectory(path: string): Promise<void> {
    await mkdir(join(this.#root, path), { recursive: true, mode: 0o700 });
  }

  async list(path: string): Promise<string[]> {
    try {
      return await readdir(join(this.#root, path));
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return [];
      throw error;
    }
  }

  async open(path: string, mode: 'existing' | 'create'): Promise<StorageFile> {
    const handle = await open(join(this.#root, path), mode === 'create' ? 'w+' : 'r+', 0o600);
    return new NodeFile(handle);
  }

  async rename(from: string, to: string): Promise<void> {
    await rename(join(this.#root, from), join(this.#root, to));
  }

  async unlink(path: string): Promise<void> {
    await unlink(join(this.#root, path));
  }

  async syncDirectory(path: string): Promise<void> {
    const handle = await open(join(this.#root, path), 'r');
    try {
      await handle.sync();
    } finally {
      await handle.close();
    }
  }

  async freeBytes(): Promise<number> {
    const stats = await statfs(this.#root);
    return stats.bavail * stats.bsize;
  }
}

class NodeFile implements StorageFile {
  readonly #handle: FileHandle;

  constructor(handle: FileHandle) {
    this.#handle = handle;
  }

  async write(buffers: readonly Buffer[], at: number): Promise<void> {
    let rest = buffers;
    let position = at;
    while (rest.length > 0) {
      const { bytesWritten } = await this.#handle.writev(rest as Buffer[], position);
      position += bytesWritten;
      rest = withoutFirst(rest, bytesWritten);
    }
  }

  async read(into: Buffer, at: number): Promise<number> {
    let done = 0;
    while (done < into.length) {
      const { bytesRead } = await this.#handle.read(into, done, into.length - done, at + done);
      if (bytesRead === 0) break;
      done += bytesRead;
    }
    return done;
  }

  async sync(): Promise<void> {
    await this.#handle.datasync();
  }

  async truncate(bytes: number): Promise<void> {
    await this.#handle.truncate(bytes);
  }

  async size(): Promise<number> {
    return (await this.#handle.stat()).size;
  }

  async close(): Promise<void> {
    await this.#handle.close();
  }
}

/** A write may stop short (a nearly full disk does): what is left to write. */
function withoutFirst(buffers: readonly Buffer[], bytes: number): readonly Buffer[] {
  let skip = bytes;
  for (const [i, buffer] of buffers.entries()) {
    if (skip < buffer.length) return [buffer.subarray(skip), ...buffers.slice(i + 1)];
    skip -= buffer.length;
  }
  return [];
}

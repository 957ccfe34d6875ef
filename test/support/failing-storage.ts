import type { Storage, StorageFile } from '../../src/bus/embedded/storage.ts';

export type StorageStep = 'open' | 'write' | 'sync' | 'rename' | 'unlink' | 'truncate';

/** A storage on which any step may fail with the code that `fault` names. A write that fails is done by half. */
export class FailingStorage implements Storage {
  /** Asked before each step; the name of an errno makes it fail. */
  fault: (step: StorageStep, path: string) => string | undefined = () => undefined;
  /** Files that are open. */
  filesOpen = 0;
  readonly #real: Storage;

  constructor(real: Storage) {
    this.#real = real;
  }

  makeDirectory(path: string): Promise<void> {
    return this.#real.makeDirectory(path);
  }

  list(path: string): Promise<string[]> {
    return this.#real.list(path);
  }

  async open(path: string, mode: 'existing' | 'create'): Promise<StorageFile> {
    this.check('open', path);
    const file = await this.#real.open(path, mode);
    this.filesOpen++;
    return new FailingFile(this, path, file);
  }

  async rename(from: string, to: string): Promise<void> {
    this.check('rename', to);
    await this.#real.rename(from, to);
  }

  async unlink(path: string): Promise<void> {
    this.check('unlink', path);
    await this.#real.unlink(path);
  }

  async syncDirectory(path: string): Promise<void> {
    this.check('sync', path);
    await this.#real.syncDirectory(path);
  }

  freeBytes(): Promise<number> {
    return this.#real.freeBytes();
  }

  check(step: StorageStep, path: string): void {
    const code = this.fault(step, path);
    if (code !== undefined) throw failure(code, step);
  }
}

class FailingFile implements StorageFile {
  readonly #storage: FailingStorage;
  readonly #path: string;
  readonly #file: StorageFile;

  constructor(storage: FailingStorage, path: string, file: StorageFile) {
    this.#storage = storage;
    this.#path = path;
    this.#file = file;
  }

  async write(buffers: readonly Buffer[], at: number): Promise<void> {
    const code = this.#storage.fault('write', this.#path);
    if (code === undefined) return this.#file.write(buffers, at);
    const bytes = Buffer.concat(buffers);
    await this.#file.write([bytes.subarray(0, bytes.length >> 1)], at);
    throw failure(code, 'write');
  }

  read(into: Buffer, at: number): Promise<number> {
    return this.#file.read(into, at);
  }

  async sync(): Promise<void> {
    this.#storage.check('sync', this.#path);
    await this.#file.sync();
  }

  async truncate(bytes: number): Promise<void> {
    this.#storage.check('truncate', this.#path);
    await this.#file.truncate(bytes);
  }

  size(): Promise<number> {
    return this.#file.size();
  }

  async close(): Promise<void> {
    this.#storage.filesOpen--;
    await this.#file.close();
  }
}

function failure(code: string, step: StorageStep): Error {
  return Object.assign(new Error(`${code}: ${step}`), { code, syscall: step });
}

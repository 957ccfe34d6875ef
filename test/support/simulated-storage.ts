import { posix } from 'node:path';
import type { Storage, StorageFile } from '../../src/bus/embedded/storage.ts';
import type { SeededChance } from './seeded-chance.ts';

/** What a process asks of its disk, as far as faults are concerned. */
export type OperationKind =
  | 'makeDirectory'
  | 'create'
  | 'write'
  | 'truncate'
  | 'sync'
  | 'syncDirectory'
  | 'rename'
  | 'unlink';

/** What happens instead of an operation. */
export type Fault =
  /** The process ends: before the operation, after it, or with a part of it done. */
  | { readonly kind: 'crash'; readonly when: 'before' | 'during' | 'after' }
  /** It fails; of a write a part is done. */
  | { readonly kind: 'error'; readonly code: 'ENOSPC' | 'EIO' };

export interface StorageFaults {
  /** Asked before each operation that changes something; `n` counts them from 1, `nth` those of their kind. */
  readonly before?: (
    kind: OperationKind,
    counts: { n: number; nth: number },
    path: string,
  ) => Fault | undefined;
  /** True where a sector cannot be read: the read fails with EIO. */
  readonly unreadable?: (path: string, at: number, length: number) => boolean;
  /** Waited for before each operation takes effect and again before it answers. */
  readonly latency?: () => Promise<void>;
}

type Change =
  | { readonly kind: 'write'; readonly at: number; readonly bytes: Buffer }
  | { readonly kind: 'truncate'; readonly size: number };

const sectorBytes = 512;
const pageBytes = 4096;

/** A file: what the disk has, what the page cache shows, and the changes that lie between them, in order. */
class Inode {
  durable: Buffer = Buffer.alloc(0);
  cached: Buffer = Buffer.alloc(0);
  pending: Change[] = [];

  change(change: Change): void {
    this.cached = applied(this.cached, change);
    this.pending.push(change);
  }

  sync(): void {
    for (const change of this.pending) this.durable = applied(this.durable, change);
    this.pending = [];
  }

  /** An fsync that fails leaves the pages clean: no later one writes them (the cache goes on showing them). */
  failSync(): void {
    this.pending = [];
  }

  /**
   * Each page has reached the disk as it was at some moment since the last sync, each torn page in some of its
   * sectors; so has the size. Sectors within the size that were never written are zeros or what lay there before.
   */
  cutPower(chance: SeededChance): void {
    const moments = this.pending.length;
    // Nothing, everything, everything up to one moment, or each page for itself, which is the hardest.
    const style = chance.pick([0, 1, 2, 3, 3, 3]);
    const common = chance.below(moments + 1);
    const moment = (): number => {
      if (style === 0) return 0;
      if (style === 1) return moments;
      return style === 2 ? common : chance.below(moments + 1);
    };
    const versions = [this.durable];
    for (const change of this.pending) versions.push(applied(versions.at(-1) as Buffer, change));
    const size = versions[moment()]?.length ?? 0;
    const result = Buffer.alloc(size);
    for (let page = 0; page < size; page += pageBytes) {
      const isTorn = chance.percent(30);
      let at = moment();
      for (let sector = page; sector < Math.min(page + pageBytes, size); sector += sectorBytes) {
        if (isTorn) at = moment();
        this.#placeSector(result, sector, versions[at] as Buffer, chance.percent(10));
      }
    }
    this.durable = this.cached = result;
    this.pending = [];
  }

  #placeSector(result: Buffer, sector: number, from: Buffer, isGarbage: boolean): void {
    const isUntouched = this.pending.every(
      (change) => change.kind === 'truncate' || !overlaps(change, sector),
    );
    const end = Math.min(sector + sectorBytes, result.length);
    if (isUntouched) {
      result.fill(0, sector, end);
      this.durable.copy(result, sector, sector, end);
    } else if (sector < from.length) {
      from.copy(result, sector, sector, Math.min(end, from.length));
      if (from.length < end) result.fill(0, from.length, end);
    } else {
      result.fill(isGarbage ? 0xa5 : 0, sector, end);
    }
  }
}

function overlaps(change: { at: number; bytes: Buffer }, sector: number): boolean {
  return change.at < sector + sectorBytes && change.at + change.bytes.length > sector;
}

function applied(content: Buffer, change: Change): Buffer {
  if (change.kind === 'truncate') {
    const result = Buffer.alloc(change.size);
    content.copy(result);
    return result;
  }
  const result = Buffer.alloc(Math.max(content.length, change.at + change.bytes.length));
  content.copy(result);
  change.bytes.copy(result, change.at);
  return result;
}

type Names = Map<string, Inode | 'directory'>;

interface NameChange {
  readonly directory: string;
  readonly apply: (names: Names) => void;
}

/**
 * A disk with a page cache, which outlive the processes that use them. A process gets its view by `attach`; it
 * ends by `kill` (the cache survives) or `cutPower` (what was not synced may be lost, torn or out of order;
 * names count only once their directory was synced). Everything follows from the seed of the chance given.
 */
export class SimulatedDisk {
  #names: Names = new Map([['.', 'directory']]);
  #durableNames: Names = new Map([['.', 'directory']]);
  #pendingNames: NameChange[] = [];
  #processes = 0;
  freeBytes = 2 ** 40;
  /** Bytes that processes have read, by path. */
  readonly bytesRead = new Map<string, number>();

  /** A new process's view. Views of earlier processes never answer again. */
  attach(faults: StorageFaults = {}): SimulatedStorage {
    return new SimulatedStorage(this, ++this.#processes, faults);
  }

  isCurrent(process: number): boolean {
    return process === this.#processes;
  }

  /** The process ends at once; what it wrote is in the page cache. */
  kill(): void {
    this.#processes++;
  }

  cutPower(chance: SeededChance): void {
    this.#processes++;
    const keep = chance.pick([0, 50, 100]);
    for (const change of this.#pendingNames)
      if (chance.percent(keep)) change.apply(this.#durableNames);
    this.#pendingNames = [];
    for (const path of [...this.#durableNames.keys()].sort()) {
      if (!this.#durableNames.has(parentOf(path))) this.#durableNames.delete(path);
    }
    for (const inode of new Set(this.#durableNames.values())) {
      if (inode !== 'directory') inode.cutPower(chance);
    }
    this.#names = new Map(this.#durableNames);
  }

  /** Paths of the files as a process sees them. */
  files(): string[] {
    return [...this.#names].filter(([, inode]) => inode !== 'directory').map(([path]) => path);
  }

  content(path: string): Buffer {
    return this.inode(path).cached;
  }

  /** Puts other bytes in a file's place, on the disk as in the cache: corruption. */
  replace(path: string, bytes: Buffer): void {
    const inode = this.inode(path);
    inode.durable = inode.cached = bytes;
    inode.pending = [];
  }

  remove(path: string): void {
    this.#names.delete(path);
    this.#durableNames.delete(path);
  }

  /** A copy that shares nothing with this one, without what was not synced. */
  copy(): SimulatedDisk {
    const copy = new SimulatedDisk();
    for (const [path, inode] of this.#names) {
      const twin = inode === 'directory' ? inode : new Inode();
      if (twin !== 'directory') twin.durable = twin.cached = Buffer.from((inode as Inode).cached);
      copy.#names.set(path, twin);
      copy.#durableNames.set(path, twin);
    }
    return copy;
  }

  has(path: string): boolean {
    return this.#names.has(path);
  }

  inode(path: string): Inode {
    const inode = this.#names.get(path);
    if (inode === undefined || inode === 'directory') throw failure('ENOENT', path);
    return inode;
  }

  childrenOf(directory: string): string[] {
    return [...this.#names.keys()]
      .filter((path) => path !== '.' && parentOf(path) === directory)
      .map((path) => posix.basename(path));
  }

  changeNames(directory: string, apply: (names: Names) => void): void {
    if (!this.#names.has(directory)) throw failure('ENOENT', directory);
    apply(this.#names);
    this.#pendingNames.push({ directory, apply });
  }

  syncNames(directory: string): void {
    for (const change of this.#pendingNames) {
      if (change.directory === directory) change.apply(this.#durableNames);
    }
    this.#pendingNames = this.#pendingNames.filter((change) => change.directory !== directory);
  }

  newInode(): Inode {
    return new Inode();
  }
}

/** One process's view of a {@link SimulatedDisk}. After its end no call ever answers. */
export class SimulatedStorage implements Storage {
  /** Resolves when a fault has ended the process; the disk then waits for `kill` or `cutPower`. */
  readonly crashed: Promise<void>;
  readonly counts: Record<OperationKind | 'all', number> = {
    all: 0,
    makeDirectory: 0,
    create: 0,
    write: 0,
    truncate: 0,
    sync: 0,
    syncDirectory: 0,
    rename: 0,
    unlink: 0,
  };
  openFiles = 0;
  readonly #disk: SimulatedDisk;
  readonly #process: number;
  readonly #faults: StorageFaults;
  #isDead = false;
  #die: () => void = () => undefined;

  constructor(disk: SimulatedDisk, process: number, faults: StorageFaults) {
    this.#disk = disk;
    this.#process = process;
    this.#faults = faults;
    this.crashed = new Promise((resolve) => (this.#die = resolve));
  }

  async makeDirectory(path: string): Promise<void> {
    const full = normal(path);
    if (full === '.' || this.#disk.has(full)) return;
    await this.makeDirectory(parentOf(full));
    await this.run('makeDirectory', full, () =>
      this.#disk.changeNames(parentOf(full), (names) => void names.set(full, 'directory')),
    );
  }

  async list(path: string): Promise<string[]> {
    return this.look(() => this.#disk.childrenOf(normal(path)));
  }

  async open(path: string, mode: 'existing' | 'create'): Promise<StorageFile> {
    const full = normal(path);
    if (mode === 'create') {
      await this.run('create', full, () => {
        if (this.#disk.has(full)) {
          this.#disk.inode(full).change({ kind: 'truncate', size: 0 });
          return;
        }
        const inode = this.#disk.newInode();
        this.#disk.changeNames(parentOf(full), (names) => void names.set(full, inode));
      });
    }
    return this.look(() => {
      const inode = this.#disk.inode(full);
      this.openFiles++;
      return new SimulatedFile(this, full, inode);
    });
  }

  async rename(from: string, to: string): Promise<void> {
    const [source, target] = [normal(from), normal(to)];
    await this.run('rename', target, () => {
      const inode = this.#disk.inode(source);
      this.#disk.changeNames(parentOf(target), (names) => {
        if (names.get(source) === inode) names.delete(source);
        names.set(target, inode);
      });
    });
  }

  async unlink(path: string): Promise<void> {
    const full = normal(path);
    await this.run('unlink', full, () => {
      const inode = this.#disk.inode(full);
      this.#disk.changeNames(parentOf(full), (names) => {
        if (names.get(full) === inode) names.delete(full);
      });
    });
  }

  async syncDirectory(path: string): Promise<void> {
    const full = normal(path);
    await this.run('syncDirectory', full, () => this.#disk.syncNames(full));
  }

  async freeBytes(): Promise<number> {
    return this.look(() => this.#disk.freeBytes);
  }

  /** An operation that changes nothing. */
  async look<T>(read: () => T): Promise<T> {
    await this.#alive();
    await this.#faults.latency?.();
    await this.#alive();
    return read();
  }

  countRead(path: string, at: number, length: number): void {
    if (this.#faults.unreadable?.(path, at, length)) throw failure('EIO', path);
    this.#disk.bytesRead.set(path, (this.#disk.bytesRead.get(path) ?? 0) + length);
  }

  /** An operation that changes something; `part` does some of it, `fail` is what its failure leaves behind. */
  async run(
    kind: OperationKind,
    path: string,
    whole: () => void,
    on: { part?: () => void; fail?: () => void } = {},
  ): Promise<void> {
    await this.#alive();
    await this.#faults.latency?.();
    await this.#alive();
    const n = ++this.counts.all;
    const nth = ++this.counts[kind];
    const fault = this.#faults.before?.(kind, { n, nth }, path);
    if (fault?.kind === 'error') {
      on.part?.();
      on.fail?.();
      throw failure(fault.code, path);
    }
    if (fault?.when === 'during') on.part?.();
    else if (fault?.when !== 'before') whole();
    if (fault) await this.#end();
    await this.#faults.latency?.();
    await this.#alive();
  }

  async #alive(): Promise<void> {
    if (this.#isDead || !this.#disk.isCurrent(this.#process)) await new Promise(() => undefined);
  }

  async #end(): Promise<void> {
    this.#isDead = true;
    this.#die();
    await this.#alive();
  }
}

class SimulatedFile implements StorageFile {
  readonly #storage: SimulatedStorage;
  readonly #path: string;
  readonly #inode: Inode;
  #isOpen = true;

  constructor(storage: SimulatedStorage, path: string, inode: Inode) {
    this.#storage = storage;
    this.#path = path;
    this.#inode = inode;
  }

  async write(buffers: readonly Buffer[], at: number): Promise<void> {
    const bytes = Buffer.concat(buffers);
    const half = bytes.subarray(0, (bytes.length * 5) >> 3);
    await this.#storage.run('write', this.#path, () => this.#put(bytes, at), {
      part: () => this.#put(half, at),
    });
  }

  async read(into: Buffer, at: number): Promise<number> {
    return this.#storage.look(() => {
      this.#check();
      const length = Math.max(0, Math.min(into.length, this.#inode.cached.length - at));
      this.#storage.countRead(this.#path, at, length);
      return this.#inode.cached.copy(into, 0, Math.min(at, this.#inode.cached.length), at + length);
    });
  }

  async sync(): Promise<void> {
    await this.#storage.run('sync', this.#path, () => this.#synced(), {
      fail: () => this.#inode.failSync(),
    });
  }

  async truncate(bytes: number): Promise<void> {
    await this.#storage.run('truncate', this.#path, () => {
      this.#check();
      this.#inode.change({ kind: 'truncate', size: bytes });
    });
  }

  async size(): Promise<number> {
    return this.#storage.look(() => this.#inode.cached.length);
  }

  async close(): Promise<void> {
    await this.#storage.look(() => {
      this.#check();
      this.#isOpen = false;
      this.#storage.openFiles--;
    });
  }

  #put(bytes: Buffer, at: number): void {
    this.#check();
    this.#inode.change({ kind: 'write', at, bytes });
  }

  #synced(): void {
    this.#check();
    this.#inode.sync();
  }

  #check(): void {
    if (!this.#isOpen) throw failure('EBADF', this.#path);
  }
}

function normal(path: string): string {
  return posix.normalize(path);
}

function parentOf(path: string): string {
  return posix.dirname(path);
}

function failure(code: string, path: string): NodeJS.ErrnoException {
  return Object.assign(new Error(`${code}: simulated, ${path}`), { code });
}

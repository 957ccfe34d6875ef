/**
 * The file system as the log sees it: narrow, so that tests can put a page cache that forgets, a full
 * disk or a crash in its place. Paths are relative to the data directory. Errors are Node's, with `code`.
 */
export interface Storage {
  makeDirectory(path: string): Promise<void>;
  /** Names in a directory; empty when there is none. */
  list(path: string): Promise<string[]>;
  /** Opens for reading and writing; `create` makes or empties it. */
  open(path: string, mode: 'existing' | 'create'): Promise<StorageFile>;
  /** Replaces `to`. Durable after {@link syncDirectory}. */
  rename(from: string, to: string): Promise<void>;
  unlink(path: string): Promise<void>;
  syncDirectory(path: string): Promise<void>;
  /** Bytes that this process may still write. */
  freeBytes(): Promise<number>;
}

export interface StorageFile {
  /** Writes all of `buffers` one after the other from byte `at`. When it throws, any part may be written. */
  write(buffers: readonly Buffer[], at: number): Promise<void>;
  /** Fills `into` from byte `at`; fewer bytes only at the end of the file. */
  read(into: Buffer, at: number): Promise<number>;
  /** fdatasync. */
  sync(): Promise<void>;
  truncate(bytes: number): Promise<void>;
  size(): Promise<number>;
  close(): Promise<void>;
}

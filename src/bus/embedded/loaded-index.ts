import { crc32c } from '@node-rs/crc32';
import type { AppId } from '../../core/ids.ts';
import type { AppRun } from './app-run.ts';
import {
  appBytes,
  decodeIndexHeader,
  decodeRun,
  indexHeaderBytes,
  layoutOf,
  markBytes,
  type IndexHeader,
  type IndexLayout,
} from './index-format.ts';
import { lastMark, type SegmentIndex } from './segment-index.ts';
import { readUint64 } from './segment-format.ts';

/** The index of a sealed segment: its file's bytes, searched in place. */
export class LoadedIndex implements SegmentIndex {
  readonly base: number;
  readonly end: number;
  readonly minTimeMs: number;
  readonly maxTimeMs: number;
  readonly segmentBytes: number;
  readonly #bytes: Buffer;
  readonly #apps: number;
  readonly #marks: number;
  readonly #layout: IndexLayout;

  private constructor(bytes: Buffer, header: IndexHeader) {
    this.#bytes = bytes;
    this.base = header.base;
    this.end = header.end;
    this.minTimeMs = header.minTimeMs;
    this.maxTimeMs = header.maxTimeMs;
    this.#apps = header.apps;
    this.#marks = header.marks;
    this.segmentBytes = header.segmentBytes;
    this.#layout = layoutOf(header);
  }

  /** Undefined when the bytes are not a whole index of this version: it is then made anew from the segment. */
  static decode(bytes: Buffer): LoadedIndex | undefined {
    const header = bytes.length < indexHeaderBytes + 4 ? undefined : decodeIndexHeader(bytes);
    if (!header) return undefined;
    const crc = bytes.readUInt32LE(bytes.length - 4);
    const isWhole = crc32c(bytes.subarray(0, bytes.length - 4)) === crc;
    return isWhole ? new LoadedIndex(bytes, header) : undefined;
  }

  get byteLength(): number {
    return this.#bytes.length;
  }

  find(app: AppId): AppRun | undefined {
    let low = 0;
    let high = this.#apps - 1;
    while (low <= high) {
      const middle = (low + high) >> 1;
      const at = this.#layout.appsAt + middle * appBytes;
      const found = readUint64(this.#bytes, at);
      if (found === app) return decodeRun(this.#bytes, at, this.#layout);
      if (found < app) low = middle + 1;
      else high = middle - 1;
    }
    return undefined;
  }

  *apps(): Iterable<AppId> {
    for (let i = 0; i < this.#apps; i++) {
      yield readUint64(this.#bytes, this.#layout.appsAt + i * appBytes) as AppId;
    }
  }

  fileAtOrBefore(offset: number): number {
    return lastMark(
      this.#marks,
      (i) => {
        const value = this.#bytes.readUInt32LE(
          this.#layout.marksAt + (i >> 1) * markBytes + (i & 1) * 4,
        );
        return i & 1 ? value : value + this.base;
      },
      offset,
    );
  }
}

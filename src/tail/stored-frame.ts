/**
 * Where one stored frame's message lies. One instance is filled again and again: the hot path makes no object
 * per line.
 */
export class StoredFrame {
  start = 0;
  end = 0;

  /**
   * Reads the count at `at` (RFC 6587 §3.4.1). Stored frames were validated when they came in; a damaged count
   * can make a line look wrong, never a read beyond the record.
   */
  read(frames: Uint8Array, at: number): void {
    let size = 0;
    let next = at;
    for (let byte = frames[next++]; byte !== 0x20 && byte !== undefined; byte = frames[next++]) {
      size = size * 10 + byte - 0x30;
    }
    this.start = Math.min(next, frames.length);
    this.end = Math.min(next + size, frames.length);
  }
}

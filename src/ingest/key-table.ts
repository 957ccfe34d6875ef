const wordsPerSlot = 5;
const slotsMin = 1024;

/**
 * Keys of 16 bytes, each with a number above 0. Open addressing in one typed array: hundreds of thousands of keys
 * come and go without an object for the collector to move. A key's last word must be well mixed.
 */
export class KeyTable {
  #slots = slotsMin;
  #words = new Uint32Array(slotsMin * wordsPerSlot);
  #size = 0;

  get size(): number {
    return this.#size;
  }

  /** The key's number, or 0. */
  get(key: Buffer): number {
    return this.#words[this.#find(word(key, 0), word(key, 1), word(key, 2), word(key, 3)) + 4] ?? 0;
  }

  set(key: Buffer, value: number): void {
    this.#put(word(key, 0), word(key, 1), word(key, 2), word(key, 3), value);
    if (this.#size * 2 > this.#slots) this.#grow();
  }

  #put(a: number, b: number, c: number, d: number, value: number): void {
    const at = this.#find(a, b, c, d);
    const words = this.#words;
    if (words[at + 4] === 0) this.#size++;
    words[at] = a;
    words[at + 1] = b;
    words[at + 2] = c;
    words[at + 3] = d;
    words[at + 4] = value;
  }

  /** Where the key is, or the free slot where it would be. */
  #find(a: number, b: number, c: number, d: number): number {
    const words = this.#words;
    for (let slot = d & (this.#slots - 1); ; slot = (slot + 1) & (this.#slots - 1)) {
      const at = slot * wordsPerSlot;
      if (words[at + 4] === 0) return at;
      if (words[at + 3] !== d || words[at + 2] !== c) continue;
      if (words[at + 1] === b && words[at] === a) return at;
    }
  }

  #grow(): void {
    const old = this.#words;
    this.#slots *= 2;
    this.#words = new Uint32Array(this.#slots * wordsPerSlot);
    this.#size = 0;
    for (let at = 0; at < old.length; at += wordsPerSlot) {
      const value = old[at + 4] as number;
      if (value === 0) continue;
      const [a, b, c, d] = old.subarray(at, at + 4) as unknown as [number, number, number, number];
      this.#put(a, b, c, d, value);
    }
  }
}

function word(key: Buffer, index: number): number {
  return key.readUInt32LE(index * 4);
}

const wordsPerSlot = 5;
const slotsMin = 1024;
/** With each key that is set; the next table is half full long after the last slot was moved. */
const slotsMovedPerKey = 16;

/**
 * Keys of 16 bytes, each with a number above 0. Open addressing in one typed array: hundreds of thousands of keys
 * come and go without an object for the collector to move. A key's last word must be well mixed. A table that has
 * become too small is moved into the next one little by little: all at once, every line would wait for that.
 */
export class KeyTable {
  #words = new Uint32Array(slotsMin * wordsPerSlot);
  #size = 0;
  /** The table before, as long as not all of it is moved; nothing is taken out of it, so that its keys are found. */
  #old: Uint32Array | undefined;
  #movedWords = 0;

  get size(): number {
    return this.#size;
  }

  /** The key's number, or 0. */
  get(key: Buffer): number {
    const [a, b, c, d] = [word(key, 0), word(key, 1), word(key, 2), word(key, 3)];
    const value = this.#words[find(this.#words, a, b, c, d) + 4] ?? 0;
    if (value !== 0 || !this.#old) return value;
    return this.#old[find(this.#old, a, b, c, d) + 4] ?? 0;
  }

  set(key: Buffer, value: number): void {
    if (this.get(key) === 0) this.#size++;
    const [a, b, c, d] = [word(key, 0), word(key, 1), word(key, 2), word(key, 3)];
    this.#words.set([a, b, c, d, value], find(this.#words, a, b, c, d));
    this.#move();
    if (this.#size * 2 * wordsPerSlot > this.#words.length) this.#grow();
  }

  #grow(): void {
    this.#old = this.#words;
    this.#movedWords = 0;
    this.#words = new Uint32Array(this.#words.length * 2);
  }

  #move(): void {
    const old = this.#old;
    if (!old) return;
    const end = Math.min(old.length, this.#movedWords + slotsMovedPerKey * wordsPerSlot);
    for (let at = this.#movedWords; at < end; at += wordsPerSlot) {
      const value = old[at + 4] ?? 0;
      if (value === 0) continue;
      const [a, b, c, d] = [old[at] ?? 0, old[at + 1] ?? 0, old[at + 2] ?? 0, old[at + 3] ?? 0];
      const to = find(this.#words, a, b, c, d);
      // A key that was set again since is newer.
      if (this.#words[to + 4] === 0) this.#words.set([a, b, c, d, value], to);
    }
    this.#movedWords = end;
    if (end === old.length) this.#old = undefined;
  }
}

/** Where the key is, or the free slot where it would be. */
function find(words: Uint32Array, a: number, b: number, c: number, d: number): number {
  const slots = words.length / wordsPerSlot;
  for (let slot = d & (slots - 1); ; slot = (slot + 1) & (slots - 1)) {
    const at = slot * wordsPerSlot;
    if (words[at + 4] === 0) return at;
    if (words[at + 3] !== d || words[at + 2] !== c) continue;
    if (words[at + 1] === b && words[at] === a) return at;
  }
}

function word(key: Buffer, index: number): number {
  return key.readUInt32LE(index * 4);
}

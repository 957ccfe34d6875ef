import type { StoredRecord } from '../../../src/bus/bus.ts';
import { accountedFor, outcomes, type Books } from '../../../src/drains/drain-books.ts';
import { textsOf } from '../../support/records.ts';
import type { Attempt } from './simulated-receiver.ts';

interface Line {
  readonly text: string;
  readonly offset: number;
  readonly exceptDrain: number | undefined;
}

/** Lines of one app, by number, as the log has published them; and what of them can no longer be read. */
export class ModelledApp {
  readonly lines: Line[] = [];
  oldestOffset = 0;
  readonly unreadable = new Set<number>();

  published({ record, position }: StoredRecord): void {
    const exceptDrain = record.notice?.exceptDrain;
    for (const text of textsOf(record.frames)) {
      this.lines.push({ text, offset: position.offset, exceptDrain });
    }
  }

  isGone(seq: number): boolean {
    const offset = this.lines[seq]?.offset ?? Infinity;
    return offset < this.oldestOffset || this.unreadable.has(offset);
  }
}

export const isUnwanted = (text: string): boolean => text.endsWith('~');
const overflowCount = (text: string): number | undefined => {
  const found = /^Error L10 .*: (\d+) messages dropped/.exec(text);
  return found ? Number(found[1]) : undefined;
};

/** What one drain may do: each line once, in order, to an end that can be proved. Throws at the first thing it may not. */
export class ModelledDrain {
  readonly #id: number;
  readonly #app: ModelledApp;
  readonly #isStream: boolean;
  #books: Books | undefined;
  #highest = -1;
  readonly #taken = new Set<number>();
  readonly #refusable = new Set<number>();
  readonly #bodies = new Map<string, { text: string; wasRefused: boolean }>();
  /** The batch that has to come next, because its last attempt failed. */
  #again: { id: string; fromSeq: number } | undefined;
  /** L10 counts that the receiver has, by batch. */
  readonly told = new Map<string, number>();

  constructor(id: number, app: ModelledApp, isStream: boolean) {
    this.#id = id;
    this.#app = app;
    this.#isStream = isStream;
  }

  /** A life of the node begins with these books. */
  starts(books: Books, { isWhole }: { isWhole: boolean }): void {
    this.#books = books;
    if (isWhole) return;
    // The cursor went back: a range may be sent again with an L10 that it did not have before.
    this.#again = undefined;
    this.#bodies.clear();
  }

  attempted({ batch, texts, isTaken, delivery }: Attempt): void {
    const overflow = overflowCount(texts[0] ?? '');
    const numbered = (overflow === undefined ? texts : texts.slice(1)).map(numberOf);
    this.#isSound(numbered);
    if (!this.#isStream) this.#isSameBatch(batch.id, texts.join('\n'), delivery.kind);
    const isRefusal = delivery.kind === 'split' || delivery.kind === 'refused';
    const isPartial = delivery.kind === 'delivered' && delivery.rejected > 0;
    if (isRefusal || isPartial) for (const { seq } of numbered) this.#refusable.add(seq);
    if (delivery.kind === 'retry' || delivery.kind === 'hold') {
      this.#again = { id: batch.id, fromSeq: numbered[0]?.seq ?? 0 };
    } else this.#again = undefined;
    if (!isTaken) return;
    if (overflow !== undefined) this.told.set(batch.id, overflow);
    for (const { seq } of numbered) {
      if (this.#taken.has(seq)) continue;
      // A refusal that a power cut has undone may turn out otherwise.
      const isInOrder = seq > this.#highest || this.#refusable.has(seq);
      this.#must(isInOrder, `line ${seq} comes after ${this.#highest}`);
      this.#highest = Math.max(this.#highest, seq);
      this.#taken.add(seq);
    }
  }

  /** The books changed: every line that the cursor passed has come to exactly one end, and rightly so. */
  wrote(next: Books): void {
    const { cursor, counts } = this.#books ?? next;
    const [from, to] = [cursor.seq, next.cursor.seq];
    this.#must(accountedFor(next) === to - next.start.seq, 'the books do not add up');
    this.#must(to >= from, `the cursor went back from ${from} to ${to}`);
    const ends = Object.fromEntries(outcomes.map((o) => [o, next.counts[o] - counts[o]]));
    const range = Array.from({ length: to - from }, (_, i) => from + i);
    const of = (o: string): number => ends[o] ?? 0;
    this.#must(
      outcomes.every((o) => of(o) >= 0),
      'a counter went back',
    );
    if (of('dropped') > 0) this.#must(next.isDisabled && of('dropped') === range.length, 'dropped');
    else if (of('lost') > 0) {
      this.#must(of('lost') === range.length, 'lost with others');
      this.#must(
        range.every((seq) => this.#app.isGone(seq)),
        `lost, but there: ${from}–${to}`,
      );
    } else {
      const wanted = range.filter((seq) => this.#isWanted(seq));
      this.#must(of('filtered') === range.length - wanted.length, 'filtered');
      const refusable = wanted.filter((seq) => this.#refusable.has(seq)).length;
      this.#must(of('refused') <= refusable, 'refused, but never refused');
      const taken = wanted.filter((seq) => this.#taken.has(seq)).length;
      this.#must(of('delivered') <= taken, `delivered, but never taken: ${from}–${to}`);
    }
    this.#books = next;
  }

  #isSound(numbered: readonly { seq: number; text: string }[]): void {
    for (const [i, { seq, text }] of numbered.entries()) {
      this.#must(text === this.#app.lines[seq]?.text, `line ${seq} is not what was stored`);
      this.#must(this.#isWanted(seq), `line ${seq} is not wanted`);
      this.#must(seq > (numbered[i - 1]?.seq ?? -1), `line ${seq} is out of order`);
      const cursor = this.#books?.cursor.seq ?? 0;
      this.#must(seq >= cursor, `line ${seq} again, although it was accounted for (${cursor})`);
    }
  }

  #isSameBatch(id: string, text: string, answer: string): void {
    const known = this.#bodies.get(id);
    const isCutAnew = known?.wasRefused === true;
    this.#must(!known || known.text === text || isCutAnew, `batch ${id} has changed`);
    this.#bodies.set(id, { text, wasRefused: answer === 'split' || answer === 'refused' });
    const again = this.#again;
    const isCut = this.#app.unreadable.size > 0 || (again && this.#app.isGone(again.fromSeq));
    if (again && !isCut)
      this.#must(again.id === id, `batch ${again.id} is to come again, not ${id}`);
  }

  #isWanted(seq: number): boolean {
    const line = this.#app.lines[seq];
    return line !== undefined && !isUnwanted(line.text) && line.exceptDrain !== this.#id;
  }

  #must(isSo: boolean, what: string): void {
    if (!isSo) throw new Error(`drain ${this.#id}: ${what}`);
  }
}

function numberOf(text: string): { seq: number; text: string } {
  const space = text.indexOf(' ');
  return { seq: Number(text.slice(0, space)), text: text.slice(space + 1) };
}

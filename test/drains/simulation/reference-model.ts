import type { StoredRecord } from '../../../src/bus/bus.ts';
import type { Clock } from '../../../src/core/clock.ts';
import { accountedFor, outcomes, type Books } from '../../../src/drains/drain-books.ts';
import type { DrainWorkerOptions } from '../../../src/drains/drain-worker.ts';
import { textsOf } from '../../support/records.ts';
import { isUnwanted } from './numbering-encoder.ts';
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
  readonly #offsets = new Set<number>();
  readonly #unreadable: ReadonlySet<number>;

  constructor(unreadable: ReadonlySet<number>) {
    this.#unreadable = unreadable;
  }

  published({ record, position }: StoredRecord): void {
    const exceptDrain = record.notice?.exceptDrain;
    this.#offsets.add(position.offset);
    for (const text of textsOf(record.frames)) {
      this.lines.push({ text, offset: position.offset, exceptDrain });
    }
  }

  isGone(seq: number): boolean {
    return this.isUnreadable(this.lines[seq]?.offset ?? Infinity);
  }

  isUnreadable(offset: number): boolean {
    return offset < this.oldestOffset || this.#unreadable.has(offset);
  }

  /** What begins at this offset may not be the same when it is read again. */
  isCutFrom(offset: number): boolean {
    if (offset < this.oldestOffset) return true;
    return [...this.#unreadable].some((other) => other >= offset && this.#offsets.has(other));
  }
}

/** What one drain may do: each line once, in order, to an end that can be proved. Throws at the first thing it may not. */
export class ModelledDrain {
  readonly #options: DrainWorkerOptions & { readonly isStream: boolean };
  readonly #app: ModelledApp;
  readonly #clock: Clock;
  #books: Books | undefined;
  #highest = -1;
  readonly #taken = new Set<number>();
  /** Lines of which the receiver said to this life of the node that it has them. */
  readonly #answeredFor = new Set<number>();
  readonly #refusable = new Set<number>();
  readonly #bodies = new Map<string, { text: string; wasRefused: boolean }>();
  /** The batch that has to come next, because its last attempt failed; and not before then. */
  #again: string | undefined;
  /** Where several are under way: all that have to come again as they were, by their lines. */
  readonly #owing = new Map<string, readonly number[]>();
  #notBeforeMs = 0;
  /** When that was said: what was under way by then could not know. */
  #saidAtMs = -Infinity;
  /** Since lines were last refused. */
  #attempts = 0;
  /** Since when the receiver has taken nothing, as far as that is certain. */
  #sinceSuccessMs: number;
  /** L10 counts that the receiver has, by batch, as far as its answer said so: until then it is told again. */
  readonly #told = new Map<string, number>();
  #isToldOnce = true;

  constructor(
    options: DrainWorkerOptions & { readonly isStream: boolean },
    app: ModelledApp,
    clock: Clock,
  ) {
    this.#options = options;
    this.#app = app;
    this.#clock = clock;
    this.#sinceSuccessMs = clock.monotonicMs();
    // What a stream has taken unconfirmed is sent again.
    if (options.isStream) this.#isToldOnce = false;
  }

  /** A life of the node begins with these books; with older ones than it ended with when they are not whole. */
  starts(books: Books, { isWhole }: { isWhole: boolean }): void {
    this.#books = books;
    this.#notBeforeMs = 0;
    this.#attempts = 0;
    this.#answeredFor.clear();
    // The receiver may have answered, and not all of that been learned.
    if (books.inflight.length > 1) this.#isToldOnce = false;
    if (isWhole) return;
    this.#owing.clear();
    // The cursor went back: a range may be sent again with an L10 that it did not have before.
    this.#again = undefined;
    this.#bodies.clear();
    this.#isToldOnce = false;
    this.#sinceSuccessMs = -Infinity;
  }

  /** The node stops in good order: it sends what it has without back-off. */
  hurries(): void {
    this.#notBeforeMs = -Infinity;
  }

  attempted({ batch, texts, startedMs, isTaken, delivery }: Attempt): void {
    const overflow = overflowCount(texts[0] ?? '');
    const numbered = (overflow === undefined ? texts : texts.slice(1)).map(numberOf);
    this.#isSound(numbered);
    for (const { seq } of numbered) {
      this.#must(!this.#answeredFor.has(seq), `line ${seq} again, although it had arrived`);
      if (delivery.kind === 'delivered') this.#answeredFor.add(seq);
    }
    const isEarly =
      startedMs < this.#notBeforeMs && (!this.#hasLanes || startedMs > this.#saidAtMs);
    this.#must(!isEarly, `tried ${this.#notBeforeMs - startedMs} ms early`);
    if (!this.#options.isStream) this.#isSameBatch(batch.id, texts.join('\n'), delivery.kind);
    if (this.#hasLanes) {
      this.#isNoneOwed(
        batch.id,
        numbered.map(({ seq }) => seq),
        delivery,
      );
    }
    this.#answered(batch.id, delivery);
    this.#attempts++;
    if (this.#mayRefuse(batch.id, delivery))
      for (const { seq } of numbered) this.#refusable.add(seq);
    if (!isTaken) return;
    const isKnown = delivery.kind === 'delivered' || delivery.kind === 'written';
    if (overflow !== undefined && isKnown) this.#told.set(batch.id, overflow);
    for (const { seq } of numbered) this.#took(seq);
  }

  /** The receiver knows of what is lost: of each line once, where that can be. */
  isToldOf(lost: number): boolean {
    const told = [...this.#told.values()].reduce((sum, count) => sum + count, 0);
    return this.#isToldOnce ? told === lost : told >= lost;
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
    if (of('dropped') + of('lost') > 0) {
      const isGiven = range.some((seq) => this.#answeredFor.has(seq));
      this.#must(!isGiven, `lost or dropped, but arrived: ${from}–${to}`);
    }
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
    if (of('refused') > 0) this.#attempts = 0;
    this.#mayDisable(next, of('delivered') + of('refused') > 0);
    this.#books = next;
  }

  #answered(id: string, delivery: Attempt['delivery']): void {
    const isToComeAgain = delivery.kind === 'retry' || delivery.kind === 'hold';
    this.#again = isToComeAgain && !this.#hasLanes ? id : undefined;
    if (!isToComeAgain || this.#notBeforeMs === -Infinity) return;
    const waitMs = delivery.kind === 'hold' ? this.#options.holdProbeMs : (delivery.afterMs ?? 0);
    this.#saidAtMs = this.#clock.monotonicMs();
    const untilMs = this.#saidAtMs + waitMs;
    // What fails together counts once, with the longest wait.
    this.#notBeforeMs = this.#hasLanes ? Math.max(this.#notBeforeMs, untilMs) : untilMs;
  }

  /** The lines of one that failed come in no other batch than that. */
  #isNoneOwed(id: string, seqs: readonly number[], { kind }: Attempt['delivery']): void {
    const lines = new Set(seqs);
    for (const [owed, its] of this.#owing) {
      const isCut = this.#app.isCutFrom(fromOffset(owed));
      const isOther = owed !== id && !isCut && its.some((seq) => lines.has(seq));
      this.#must(!isOther, `batch ${owed} is to come again, not ${id}`);
    }
    if (kind === 'retry' || kind === 'hold') this.#owing.set(id, seqs);
    else this.#owing.delete(id);
  }

  get #hasLanes(): boolean {
    return this.#options.concurrency > 1;
  }

  /** A batch in which something is unwanted is searched before it is given up; one that is too large is halved. */
  #mayRefuse(id: string, delivery: Attempt['delivery']): boolean {
    if (delivery.kind !== 'split') {
      return (
        delivery.kind === 'refused' || (delivery.kind === 'delivered' && delivery.rejected > 0)
      );
    }
    const isSpent = delivery.status !== 413 && this.#attempts >= this.#options.splitRequestsMax;
    return linesOf(id) <= 1 || isSpent;
  }

  #took(seq: number): void {
    if (this.#taken.has(seq)) return;
    // A refusal that a power cut has undone may turn out otherwise.
    const isInOrder = this.#hasLanes || seq > this.#highest || this.#refusable.has(seq);
    this.#must(isInOrder, `line ${seq} comes after ${this.#highest}`);
    this.#highest = Math.max(this.#highest, seq);
    this.#taken.add(seq);
  }

  #mayDisable(next: Books, isSuccess: boolean): void {
    const { disableAfterMs } = this.#options;
    if (isSuccess) this.#sinceSuccessMs = this.#clock.monotonicMs();
    if (next.isDisabled && this.#books?.isDisabled !== true) {
      const failedMs = this.#clock.monotonicMs() - this.#sinceSuccessMs;
      this.#must(failedMs >= disableAfterMs, `disabled after ${failedMs} ms`);
    }
    const isDue = next.failingForMs >= disableAfterMs;
    this.#must(next.isDisabled || !isDue, `not disabled after ${next.failingForMs} ms`);
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
    if (again === undefined) return;
    const isCut = this.#app.isCutFrom(fromOffset(again));
    this.#must(isCut || again === id, `batch ${again} is to come again, not ${id}`);
  }

  #isWanted(seq: number): boolean {
    const line = this.#app.lines[seq];
    return line !== undefined && !isUnwanted(line.text) && line.exceptDrain !== this.#options.id;
  }

  #must(isSo: boolean, what: string): void {
    if (!isSo) throw new Error(`drain ${this.#options.id}: ${what}`);
  }
}

function overflowCount(text: string): number | undefined {
  const found = /^Error L10 .*: (\d+) messages dropped/.exec(text);
  return found ? Number(found[1]) : undefined;
}

function numberOf(text: string): { seq: number; text: string } {
  const space = text.indexOf(' ');
  return { seq: Number(text.slice(0, space)), text: text.slice(space).trimStart() };
}

/** The offset of the record in which the batch begins: part of its id. */
function fromOffset(id: string): number {
  return Number.parseInt(id.slice(8, 20), 16);
}

/** How many lines the batch has, those that are filtered out included. */
function linesOf(id: string): number {
  return Number.parseInt(id.slice(24), 16);
}

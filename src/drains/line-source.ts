import type { LogBus, Page, StoredRecord } from '../bus/bus.ts';
import type { AppId } from '../core/ids.ts';
import { comparePositions } from '../core/position.ts';
import { placeAfter, placeIn, type Place } from './place.ts';
import type { QueueBudget, QueueHolder } from './queue-budget.ts';

/** What comes next for a drain, in order. */
export type Item =
  /** Lines of a record from `fromLine` on. */
  { readonly kind: 'record'; readonly stored: StoredRecord; readonly fromLine: number } | Hole;

/** Where lines should be that are not there. */
export type Hole =
  /** Lines that are gone: retention took them, or they cannot be read. */
  | { readonly kind: 'gap'; readonly lines: number; readonly to: Place }
  /** The log is another one, or has less than was already sent: its oldest line is the new beginning. */
  | { readonly kind: 'restart'; readonly to: Place };

export interface LineSourceOptions {
  readonly queueBytesMax: number;
  readonly readBytesMax: number;
  /** What is sent at a time. */
  readonly batchBytesMax: number;
}

/**
 * The lines of one app from one place on, without hole or repeat. Live, they come from the router; when more
 * come than the queue may hold, it is emptied and they are read from the log until the live head is met.
 *
 * ```
 * live ── queue full, or a hole ──► reading ── a page reaches the head, and nothing passed meanwhile ──► live
 * ```
 */
export class LineSource implements QueueHolder {
  readonly #options: LineSourceOptions;
  readonly #bus: Pick<LogBus, 'read'>;
  readonly #app: AppId;
  readonly #budget: QueueBudget;
  readonly #released: () => void;
  #items: Item[] = [];
  /** Index of the first item: taking from the front must not move the others. */
  #first = 0;
  #bytes = 0;
  #lines = 0;
  /** Where the queue ends: the next line that is not in it. */
  #end: Place;
  #isLive = false;
  #isFilling = false;
  #offeredOffset = -1;
  /** Counts rewinds, so that a read that was under way is not mistaken for one of the new place. */
  #generation = 0;

  constructor(
    options: LineSourceOptions,
    parts: {
      bus: Pick<LogBus, 'read'>;
      app: AppId;
      budget: QueueBudget;
      from: Place;
      /** Lines were let go: whoever waits for them to be due has to read them again. */
      released: () => void;
    },
  ) {
    this.#options = options;
    this.#bus = parts.bus;
    this.#app = parts.app;
    this.#budget = parts.budget;
    this.#released = parts.released;
    this.#end = parts.from;
    this.#budget.join(this);
  }

  get isLive(): boolean {
    return this.#isLive;
  }

  get isFilling(): boolean {
    return this.#isFilling;
  }

  get bytes(): number {
    return this.#bytes;
  }

  get lines(): number {
    return this.#lines;
  }

  get first(): Item | undefined {
    return this.#items[this.#first];
  }

  /** The queued items, oldest first. */
  *items(): Iterable<Item> {
    for (let i = this.#first; i < this.#items.length; i++) yield this.#items[i] as Item;
  }

  /** A live record; true when it was taken into the queue. */
  offer(stored: StoredRecord): boolean {
    this.#offeredOffset = stored.position.offset;
    if (!this.#isLive || stored.position.offset < this.#end.position.offset) return false;
    const isHole = stored.previous !== null && stored.previous.offset >= this.#end.position.offset;
    // A record without lines has nothing to wait for.
    const bytes = stored.record.lines === 0 ? 0 : sizeOf(stored);
    if (isHole || this.#bytes + bytes > this.#options.queueBytesMax) {
      this.release();
      return false;
    }
    if (bytes > 0) this.#push({ kind: 'record', stored, fromLine: 0 });
    this.#end = placeAfter(stored);
    this.#budget.changed(bytes);
    return this.#isLive;
  }

  /** Frees the memory: what was queued is read again from the log. A hole at the front stays known. */
  release(): void {
    const { first } = this;
    if (first === undefined) {
      this.rewind(this.#end);
    } else if (first.kind === 'record') {
      this.rewind(placeIn(first.stored, first.fromLine));
    } else {
      this.rewind(first.to);
      this.#push(first);
    }
    this.#released();
  }

  rewind(to: Place): void {
    const { bytes } = this;
    this.#clear();
    this.#bytes = this.#lines = 0;
    this.#end = to;
    this.#turn(false);
    this.#generation++;
    this.#budget.changed(-bytes);
  }

  /** Nothing is taken or held any more. */
  close(): void {
    this.rewind(this.#end);
    this.#budget.leave(this);
  }

  /** Reads the next page into the queue. Call only while not live. */
  async read(): Promise<void> {
    const generation = this.#generation;
    this.#isFilling = true;
    const { readBytesMax, batchBytesMax } = this.#options;
    const bytesMax = this.#budget.pageBytes(readBytesMax, batchBytesMax);
    const page = await this.#bus.read(this.#end.position, bytesMax, this.#app);
    if (generation === this.#generation) this.#take(page);
  }

  /** What was read has been looked at: from now on it may be let go. */
  filled(): void {
    this.#isFilling = false;
  }

  /** Takes off what lies before `to`; what was released meanwhile is not read again that far. */
  passed(to: Place): void {
    for (let { first } = this; first?.kind === 'record'; first = this.first) {
      const { position, record } = first.stored;
      if (position.offset > to.position.offset) return;
      if (position.offset === to.position.offset) {
        const isOver = to.position.line >= record.lines && record.lines > 0;
        if (!isOver) return this.#shorten(Math.max(first.fromLine, to.position.line));
      }
      this.shift();
    }
    if (!this.first && comparePositions(this.#end.position, to.position) < 0) this.rewind(to);
  }

  /** Takes the whole first item off, whatever it is. */
  shift(): void {
    const { first } = this;
    if (!first) return;
    this.#forget(first);
    this.#items[this.#first++] = undefined as unknown as Item;
    if (this.#first === this.#items.length) this.#clear();
    else if (this.#first > 64 && this.#first * 2 > this.#items.length) {
      this.#items.splice(0, this.#first);
      this.#first = 0;
    }
  }

  /**
   * Begins with an array of its own: one that has become old, and is then put aside because it is too small, would keep
   * what it had, and the pages that this came from, until the next full collection of garbage.
   */
  #clear(): void {
    this.#items.fill(undefined as unknown as Item);
    this.#items = [];
    this.#first = 0;
  }

  /** Leaves of the first item, a record, only the lines from `fromLine` on. */
  #shorten(fromLine: number): void {
    const { first } = this;
    if (first?.kind !== 'record') return;
    this.#lines -= fromLine - first.fromLine;
    this.#items[this.#first] = { ...first, fromLine };
  }

  #take(page: Page): void {
    const asked = this.#end;
    const bytesBefore = this.#bytes;
    let { seq } = asked;
    if (isRestart(asked, page)) {
      seq = page.from.appSeq;
      this.#push({ kind: 'restart', to: { position: page.from.position, seq } });
    }
    for (const stored of page.records) {
      const isFirst = stored.position.offset === page.from.position.offset;
      const fromLine = isFirst ? Math.min(page.from.position.line, stored.record.lines) : 0;
      if (stored.appSeq + fromLine > seq) this.#gap(seq, placeIn(stored, fromLine));
      if (fromLine < stored.record.lines) this.#push({ kind: 'record', stored, fromLine });
      seq = stored.appSeq + stored.record.lines;
    }
    this.#end = { position: page.next.position, seq: page.next.appSeq };
    this.#gap(seq, this.#end);
    this.#turn(page.atHead && this.#offeredOffset < this.#end.position.offset);
    // Last, because whoever holds too much lets go at once.
    this.#budget.changed(this.#bytes - bytesBefore);
  }

  #turn(isLive: boolean): void {
    if (this.#isLive === isLive) return;
    this.#isLive = isLive;
    this.#budget.turned(this);
  }

  #gap(seq: number, to: Place): void {
    if (to.seq > seq) this.#push({ kind: 'gap', lines: to.seq - seq, to });
  }

  #push(item: Item): void {
    this.#items.push(item);
    if (item.kind !== 'record') return;
    this.#bytes += sizeOf(item.stored);
    this.#lines += item.stored.record.lines - item.fromLine;
  }

  #forget(item: Item): void {
    if (item.kind !== 'record') return;
    this.#bytes -= sizeOf(item.stored);
    this.#budget.changed(-sizeOf(item.stored));
    this.#lines -= item.stored.record.lines - item.fromLine;
  }
}

/** The page is not of the log that was asked for, or that log has fewer lines than were already taken. */
function isRestart(asked: Place, page: Page): boolean {
  const { from } = page;
  if (asked.position.logId !== from.position.logId) return true;
  return from.position.offset < asked.position.offset || from.appSeq < asked.seq;
}

/** What a queued record costs in memory, roughly: its frames and the objects around them. */
function sizeOf(stored: StoredRecord): number {
  return stored.record.frames.length + 300;
}

import type { Bound } from '../bus/bus.ts';
import type { Clock } from '../core/clock.ts';
import type { DrainId } from '../core/ids.ts';
import type { Logger } from '../core/logger.ts';
import type { Cut } from './batch-cutter.ts';
import type { ShapedCut } from './batch-shape.ts';
import { account, newBooks, type Books, type InflightRange, type Outcome } from './drain-books.ts';
import { followed, lostIn, restartedAt, told } from './drain-losses.ts';
import type { WorkerMetrics } from './drain-metrics.ts';
import type { BooksHolder, WorkerNotices } from './drain-notices.ts';
import { KeptBooks, type KeptBooksParts } from './kept-books.ts';
import type { Hole } from './line-source.ts';
import type { UnconfirmedBatch } from './unconfirmed-batches.ts';

export interface DrainLedgerParts extends KeptBooksParts {
  readonly notices: Pick<WorkerNotices, 'lost' | 'refused'>;
  readonly metrics: Pick<WorkerMetrics, 'accounted' | 'uncountedGap'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

type Ends = Partial<Record<Outcome, number>>;

/** What becomes of a drain's lines, entered into its books: each of them once, and the cursor with it. */
export class DrainLedger implements BooksHolder {
  readonly #id: DrainId;
  readonly #parts: DrainLedgerParts;
  readonly #kept: KeptBooks;

  constructor(id: DrainId, parts: DrainLedgerParts, books: Books) {
    this.#id = id;
    this.#parts = parts;
    this.#kept = new KeptBooks(id, parts, books);
  }

  get books(): Books {
    return this.#kept.books;
  }

  change(step: (books: Books) => Books): Promise<void> {
    return this.#kept.change(step);
  }

  save(): Promise<void> {
    return this.#kept.save(this.books);
  }

  /** The drain is gone, and its books with it. */
  close(): Promise<void> {
    return this.#kept.close();
  }

  /** From here on the lines of the batch are this batch, whatever happens to the process. */
  async sending(cut: ShapedCut): Promise<void> {
    const { from, to, lines, overflow, shape } = cut;
    const range = { from, to, lines, overflow, options: shape.saved };
    const others = this.books.inflight.filter((other) => !isSame(other, cut));
    const before = others.filter((other) => other.to.seq <= from.seq);
    const after = others.filter((other) => other.from.seq >= to.seq && !before.includes(other));
    await this.#kept.save({ ...this.books, inflight: [...before, range, ...after] });
  }

  /** Nobody wanted the lines. */
  filtered(cut: Cut): Promise<void> {
    return this.#ended(cut, { filtered: cut.lines });
  }

  delivered(cut: Cut, rejected: number): Promise<void> {
    this.#kept.set(told(this.books, cut.overflow));
    if (rejected > 0) this.#refuse(cut, rejected, 200);
    return this.#ended(cut, {
      delivered: cut.messages - rejected,
      refused: rejected,
      filtered: cut.lines - cut.messages,
    });
  }

  refused(cut: Cut, status: number): Promise<void> {
    if (cut.messages > 0) this.#refuse(cut, cut.messages, status);
    return this.#ended(cut, { refused: cut.messages, filtered: cut.lines - cut.messages });
  }

  /** A stream's receiver has these. */
  confirmed(batches: readonly UnconfirmedBatch[]): void {
    for (const { to, lastLineMs, messages, lines, overflow } of batches) {
      const ends = { delivered: messages, filtered: lines - messages };
      this.#kept.set(told(this.#passed({ to, lastLineMs }, ends), overflow));
    }
  }

  /** Lines that are gone are lost; on a log that is not the one we knew, everything starts anew. */
  async lost(hole: Hole): Promise<void> {
    const { metrics, notices, logger, clock } = this.#parts;
    const isGap = hole.kind === 'gap';
    const loss = isGap ? lostIn(this.books, hole) : restartedAt(this.books, hole.to, clock.nowMs());
    const event = isGap ? 'drain.lines_lost' : 'drain.books_restarted';
    logger.warn({ drainId: this.#id, lines: loss.lines }, event);
    metrics.accounted({ lost: loss.lines });
    if (!loss.exact) metrics.uncountedGap();
    await this.#kept.save(notices.lost(loss.books, loss));
  }

  /** A disabled drain's cursor follows the head, and what it passes is dropped. */
  async followed(head: Bound): Promise<void> {
    const { metrics, logger, clock } = this.#parts;
    const passed = followed(this.books, head);
    if (!passed) {
      logger.warn({ drainId: this.#id }, 'drain.books_restarted');
      metrics.uncountedGap();
      const start = { position: head.position, seq: head.appSeq };
      await this.#kept.save({ ...newBooks(start, clock.nowMs()), isDisabled: true });
    } else if (passed.dropped > 0) {
      const { to, dropped } = passed;
      metrics.accounted({ dropped });
      await this.#kept.save(account(this.books, to, { dropped }));
    }
  }

  disabled(): void {
    this.#parts.logger.warn({ drainId: this.#id }, 'drain.disabled');
    this.#kept.set({ ...this.books, isDisabled: true, inflight: [] });
  }

  /** Every attempt has failed for so much longer. */
  failing(passedMs: number): void {
    const { failingForMs } = this.books;
    this.#kept.set({ ...this.books, failingForMs: failingForMs + passedMs });
  }

  recovered(): void {
    if (this.books.failingForMs > 0) this.#kept.set({ ...this.books, failingForMs: 0 });
  }

  #refuse(cut: Cut, count: number, status: number): void {
    const refusal = { fromSeq: cut.from.seq, count, status };
    this.#kept.set(this.#parts.notices.refused(this.books, refusal));
  }

  #ended(cut: Cut, ends: Ends): Promise<void> {
    const inflight = this.books.inflight.filter(
      (other) => other.from.seq >= cut.to.seq && !isSame(other, cut),
    );
    return this.#kept.save({ ...this.#passed(cut, ends), inflight });
  }

  /** The books after the lines of a batch have come to their ends. */
  #passed({ to, lastLineMs }: Pick<Cut, 'to' | 'lastLineMs'>, ends: Ends): Books {
    this.#parts.metrics.accounted(ends);
    const books = account(this.books, to, ends);
    return { ...books, lastLineMs: lastLineMs || books.lastLineMs };
  }
}

/** One that is an L10 alone begins where the next one does. */
function isSame(range: InflightRange, { from, lines }: Cut): boolean {
  return range.from.seq === from.seq && range.lines === lines;
}

import type { Bound } from '../bus/bus.ts';
import { account, newBooks, type Books, type OverflowReport } from './drain-books.ts';
import type { Hole } from './line-source.ts';
import type { Place } from './place.ts';

/** Lines that are gone before they were sent. */
export interface Loss {
  readonly books: Books;
  readonly fromSeq: number;
  readonly lines: number;
  /** False when more may be gone than anybody could count. */
  readonly exact: boolean;
}

/** The lines up to the end of a gap are lost. */
export function lostIn(books: Books, gap: Extract<Hole, { kind: 'gap' }>): Loss {
  const { uncountedTo } = books;
  const { seq: fromSeq } = books.cursor;
  const exact = uncountedTo === undefined || gap.to.seq < uncountedTo || fromSeq >= uncountedTo;
  return {
    books: {
      ...account(books, gap.to, { lost: gap.lines }),
      inflight: books.inflight.filter(({ from }) => from.seq >= gap.to.seq),
      uncountedTo: exact ? uncountedTo : undefined,
    },
    fromSeq,
    lines: gap.lines,
    exact,
  };
}

/** On a log that is not the one we knew everything starts anew; what has not been told yet still is. */
export function restartedAt(books: Books, to: Place, nowMs: number): Loss {
  const { owed, notices } = books;
  const fresh = { ...newBooks(to, nowMs), owed, notices };
  return { books: fresh, fromSeq: to.seq, lines: 0, exact: false };
}

/** While a drain is disabled its cursor follows the head. Undefined when the head is not one that it can come to. */
export function followed(
  books: Books,
  head: Bound,
): { readonly to: Place; readonly dropped: number } | undefined {
  const to = { position: head.position, seq: head.appSeq };
  const dropped = to.seq - books.cursor.seq;
  const isKnown = books.cursor.position.logId === head.position.logId && dropped >= 0;
  return isKnown ? { to, dropped } : undefined;
}

/** The drain has been told; what was lost since then is told with a later batch. */
export function told(books: Books, overflow: OverflowReport | undefined): Books {
  const { owed } = books;
  if (!overflow) return books;
  const left = (owed?.count ?? 0) - overflow.count;
  return { ...books, owed: owed && left > 0 ? { ...owed, count: left } : undefined };
}

import type { LogBus } from '../bus/bus.ts';
import type { AppId } from '../core/ids.ts';
import { accountedFor, type Books } from './drain-books.ts';

export interface Audit {
  /** Lines between the cursor and the head, counted from the log's index and not from the books. */
  readonly backlogMessages: number;
  /** By how many lines the identity is off; 0 unless there is a bug. */
  readonly imbalanceMessages: number;
}

/**
 * Checks the identity of a drain's books against the log:
 * `appSeq(head) − appSeq(start) = delivered + filtered + dropped + lost + refused + backlog`.
 * The books are taken before the head, in one turn, so that lines which arrive meanwhile are in both or neither.
 */
export async function auditBooks(
  bus: Pick<LogBus, 'bounds' | 'count' | 'partitionOf'>,
  app: AppId,
  books: Books,
): Promise<Audit> {
  const { head } = await bus.bounds(bus.partitionOf(app), app);
  const backlogMessages = await bus.count(app, books.cursor.position, head.position);
  const owed = head.appSeq - books.start.seq;
  return {
    backlogMessages,
    imbalanceMessages: Math.abs(owed - accountedFor(books) - backlogMessages),
  };
}

import type { Bound, LogBus } from '../bus/bus.ts';
import type { AppId } from '../core/ids.ts';
import { accountedFor, type Books } from './drain-books.ts';

export interface Audit {
  /** Lines between the cursor and the head, counted from the log's index and not from the books. */
  readonly backlogMessages: number;
  /** By how many lines the identity is off; 0 unless there is a bug. */
  readonly imbalanceMessages: number;
}

type AuditedLog = Pick<LogBus, 'bounds' | 'count' | 'logId' | 'partitionOf'>;

/**
 * Checks the identity of a drain's books against the log:
 * `appSeq(head) − appSeq(start) = delivered + filtered + dropped + lost + refused + backlog`.
 * The books are taken before the head, in one turn, so that lines which arrive meanwhile are in both or neither.
 * Lines that retention has taken belong to the backlog until the worker finds them gone: it may hold them yet. So do
 * unreadable lines at the cursor while nobody reads there, because the drain `isPaused`.
 */
export async function auditBooks(
  bus: AuditedLog,
  app: AppId,
  books: Books,
  { isPaused = false } = {},
): Promise<Audit> {
  const partition = bus.partitionOf(app);
  const { position: cursor, seq } = books.cursor;
  for (;;) {
    const { oldest, head } = await bus.bounds(partition, app);
    // Books of another log end with the worker's first look at this one.
    const isForeign = cursor.logId !== bus.logId;
    const kept = await bus.count(app, isForeign ? oldest.position : cursor, head.position);
    if (await isMoved(bus, app, oldest)) continue;
    if (isForeign) return { backlogMessages: kept, imbalanceMessages: 0 };
    const isOvertaken = cursor.offset < oldest.position.offset;
    const foundSeq = isPaused ? head.appSeq - kept : isOvertaken ? oldest.appSeq : seq;
    const backlogMessages = kept + Math.max(0, foundSeq - seq);
    const owed = head.appSeq - books.start.seq;
    return {
      backlogMessages,
      imbalanceMessages: Math.abs(owed - accountedFor(books) - backlogMessages),
    };
  }
}

/** Retention went on meanwhile, so that what was counted does not fit together. */
async function isMoved(bus: AuditedLog, app: AppId, oldest: Bound): Promise<boolean> {
  const now = await bus.bounds(bus.partitionOf(app), app);
  return now.oldest.position.offset !== oldest.position.offset;
}

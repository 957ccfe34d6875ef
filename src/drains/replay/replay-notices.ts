import type { Books } from '../drain-books.ts';
import type { WorkerNotices } from '../drain-notices.ts';

/** A replay tells the app's stream nothing: its lines have come to their ends before. */
export const replayNotices: WorkerNotices = {
  lost: (books: Books) => books,
  refused: (books: Books) => books,
  certificateRefused: () => undefined,
  held: () => undefined,
  dueInMs: () => undefined,
  settle: () => Promise.resolve(),
};

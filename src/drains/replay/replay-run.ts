import { createHash } from 'node:crypto';
import type { Entry } from '../../bus/bus.ts';
import { formatPosition, parsePosition } from '../../core/position.ts';
import { decodeBooks, encodeBooks, type Books } from '../drain-books.ts';
import type { Place } from '../place.ts';

/** One replay, as a checkpoint has it: it goes on after a restart. */
export interface ReplayRun {
  /** Part of its Frame-Ids, so that a receiver which remembers those of the first delivery takes the lines again. */
  readonly id: string;
  readonly startedAtMs: number;
  /** Where it stops by itself. */
  readonly end: Place;
  /** Its own: those of the drain do not know of it. */
  readonly books: Books;
}

/** 32 hex digits, a function of the replay and the range. */
export function replayFrameId(run: Pick<ReplayRun, 'id'>, from: Place, lines: number): string {
  const { offset, line } = from.position;
  return createHash('sha256')
    .update(`replay ${run.id} ${offset} ${line} ${lines}`)
    .digest('hex')
    .slice(0, 32);
}

export function encodeRun({ id, startedAtMs, end, books }: ReplayRun): Exclude<Entry, null> {
  return {
    ...encodeBooks(books),
    replay: id,
    startedAtMs,
    end: [formatPosition(end.position), end.seq],
  };
}

/** Undefined when the entry is not what {@link encodeRun} writes. */
export function decodeRun(entry: Exclude<Entry, null>): ReplayRun | undefined {
  const books = decodeBooks(entry);
  const end = entry['end'];
  const position = Array.isArray(end) ? parsePosition(String(end[0])) : undefined;
  if (!books || !position || !Array.isArray(end)) return undefined;
  return {
    id: String(entry['replay']),
    startedAtMs: Number(entry['startedAtMs']),
    end: { position, seq: Number(end[1]) },
    books,
  };
}

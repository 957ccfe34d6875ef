import { formatPosition, parsePosition } from '../core/position.ts';
import type { Entry } from '../bus/bus.ts';
import type { Place } from './place.ts';

/** The five ends that a line can come to at a drain. */
export const outcomes = ['delivered', 'filtered', 'dropped', 'lost', 'refused'] as const;
export type Outcome = (typeof outcomes)[number];

/** The range of a batch that is being sent: should the process die, the same lines make the same batch again. */
export interface InflightRange {
  readonly from: Place;
  readonly to: Place;
  /** Lines of the app in the range, those that are filtered out included. */
  readonly lines: number;
  /** The L10 that the batch begins with. */
  readonly overflow: OverflowReport | undefined;
  /** The option values that its bytes follow from, sealed; undefined for those of a drain without any. */
  readonly options?: string | undefined;
}

/** Lines that a drain is to be told it will never get. */
export interface OverflowReport {
  readonly count: number;
  readonly sinceMs: number;
  readonly exact: boolean;
  /** When the report was written: part of its bytes, which must not change when it is sent again. */
  readonly atMs: number;
}

/** A notice that the app's stream is to get, until it is known to be in the log. */
export interface PendingNotice {
  readonly code: 'L10' | 'L18';
  /** The app's lines that it is about, by number: part of its id. */
  readonly fromSeq: number;
  readonly toSeq: number;
  readonly count: number;
  readonly exact: boolean;
  readonly sinceMs: number;
  /** The receiver's answer; 0 where there is none. */
  readonly status: number;
  /** Where in the log to look for it after a restart; undefined while more may join it. */
  readonly lookFrom: string | undefined;
}

/**
 * Where a drain stands and what became of every line before that. The cursor and the counters are one
 * checkpoint entry, so that they go forward and back together:
 * `cursor.seq − start.seq` is always the sum of the counters.
 */
export interface Books {
  readonly start: Place;
  readonly cursor: Place;
  readonly counts: Readonly<Record<Outcome, number>>;
  readonly inflight: readonly InflightRange[];
  /** Told to the drain itself with its next batch. */
  readonly owed: OverflowReport | undefined;
  readonly notices: readonly PendingNotice[];
  /** Receipt time of the last line that was dealt with, ms since 1970. */
  readonly lastLineMs: number;
  /** For how long every attempt has failed, in ms of this machine's uptime. */
  readonly failingForMs: number;
  readonly isDisabled: boolean;
  /** Lines before this number are gone that nobody could count: a loss that reaches it is "at least". */
  readonly uncountedTo: number | undefined;
}

export function newBooks(start: Place, nowMs: number): Books {
  return {
    start,
    cursor: start,
    counts: { delivered: 0, filtered: 0, dropped: 0, lost: 0, refused: 0 },
    inflight: [],
    owed: undefined,
    notices: [],
    lastLineMs: nowMs,
    failingForMs: 0,
    isDisabled: false,
    uncountedTo: undefined,
  };
}

/** How far the drain's lines have been handed out, and so must never be anything else. */
export function reachedBy(books: Books): Place {
  return books.inflight.at(-1)?.to ?? books.cursor;
}

/** The books after the lines up to `to` have come to these ends. */
export function account(books: Books, to: Place, ends: Partial<Record<Outcome, number>>): Books {
  const counts = { ...books.counts };
  for (const outcome of outcomes) counts[outcome] += ends[outcome] ?? 0;
  return { ...books, cursor: to, counts };
}

/** Lines that have come to an end. */
export function accountedFor(books: Books): number {
  return outcomes.reduce((sum, outcome) => sum + books.counts[outcome], 0);
}

export function encodeBooks(books: Books): Exclude<Entry, null> {
  return {
    start: encodePlace(books.start),
    cursor: encodePlace(books.cursor),
    counts: outcomes.map((outcome) => books.counts[outcome]),
    lastLineMs: books.lastLineMs,
    failingForMs: books.failingForMs,
    ...(books.isDisabled ? { isDisabled: true } : {}),
    ...(books.uncountedTo === undefined ? {} : { uncountedTo: books.uncountedTo }),
    ...(books.owed ? { owed: books.owed } : {}),
    ...(books.notices.length > 0 ? { notices: books.notices } : {}),
    ...(books.inflight.length > 0 ? { inflight: books.inflight.map(encodeRange) } : {}),
  };
}

/** Undefined when the entry is not what {@link encodeBooks} writes. */
export function decodeBooks(entry: Exclude<Entry, null>): Books | undefined {
  const start = decodePlace(entry['start']);
  const cursor = decodePlace(entry['cursor']);
  const counts = entry['counts'];
  if (!start || !cursor || !Array.isArray(counts)) return undefined;
  const inflight = (entry['inflight'] ?? []) as {
    from: unknown;
    to: unknown;
    lines: number;
    overflow?: unknown;
    options?: unknown;
  }[];
  return {
    start,
    cursor,
    counts: Object.fromEntries(
      outcomes.map((outcome, i) => [outcome, Number(counts[i] ?? 0)]),
    ) as Record<Outcome, number>,
    inflight: inflight.flatMap((range) => {
      const from = decodePlace(range.from);
      const to = decodePlace(range.to) ?? from;
      const overflow = range.overflow as OverflowReport | undefined;
      const options = typeof range.options === 'string' ? range.options : undefined;
      return from && to ? [{ from, to, lines: range.lines, overflow, options }] : [];
    }),
    owed: entry['owed'] as OverflowReport | undefined,
    notices: (entry['notices'] ?? []) as PendingNotice[],
    lastLineMs: Number(entry['lastLineMs'] ?? 0),
    failingForMs: Number(entry['failingForMs'] ?? 0),
    isDisabled: entry['isDisabled'] === true,
    uncountedTo: typeof entry['uncountedTo'] === 'number' ? entry['uncountedTo'] : undefined,
  };
}

function encodeRange(range: InflightRange): object {
  const { from, to, lines, overflow, options } = range;
  return {
    from: encodePlace(from),
    to: encodePlace(to),
    lines,
    ...(overflow ? { overflow } : {}),
    ...(options === undefined ? {} : { options }),
  };
}

function encodePlace(place: Place): [string, number] {
  return [formatPosition(place.position), place.seq];
}

function decodePlace(value: unknown): Place | undefined {
  if (!Array.isArray(value)) return undefined;
  const position = parsePosition(String(value[0]));
  return position ? { position, seq: Number(value[1]) } : undefined;
}

/**
 * A place in the log: before line `line` of the record at `offset` of `partition`.
 * Cursors, Frame-Ids, resume and replay all use it. Offsets and lines count from 0.
 */
export interface Position {
  /** Sixteen hex digits drawn when the log was created. */
  readonly logId: string;
  readonly partition: number;
  readonly offset: number;
  readonly line: number;
}

/** Order within one partition of one log: negative when `a` comes first. */
export function comparePositions(a: Position, b: Position): number {
  return a.offset - b.offset || a.line - b.line;
}

/** The opaque string that users see. */
export function formatPosition(position: Position): string {
  const { logId, partition, offset, line } = position;
  return `${logId}-${partition}-${offset}-${line}`;
}

/** The inverse of {@link formatPosition}; undefined for anything it did not print. */
export function parsePosition(text: string): Position | undefined {
  const match = /^([0-9a-f]{16})-(\d{1,6})-(\d{1,15})-(\d{1,9})$/.exec(text);
  if (!match) return undefined;
  const [, logId = '', partition, offset, line] = match;
  return { logId, partition: Number(partition), offset: Number(offset), line: Number(line) };
}

/** The position before the first line of the record that follows `position`'s record. */
export function nextRecord(position: Position): Position {
  return { ...position, offset: position.offset + 1, line: 0 };
}

import type { StoredRecord } from '../bus/bus.ts';
import { nextRecord, type Position } from '../core/position.ts';

/** A position with the app's line number at it. */
export interface Place {
  readonly position: Position;
  readonly seq: number;
}

/** Where the lines of a record from `line` on begin: at its end that is the next record. */
export function placeIn(stored: StoredRecord, line: number): Place {
  const seq = stored.appSeq + line;
  if (line >= stored.record.lines) return { position: nextRecord(stored.position), seq };
  return { position: { ...stored.position, line }, seq };
}

/** Where the next record begins. */
export function placeAfter(stored: StoredRecord): Place {
  return placeIn(stored, stored.record.lines);
}

import type { StoredRecord } from '../bus/bus.ts';
import { StoredFrame } from './stored-frame.ts';

/** Some consecutive lines of one record: bytes [start, end) of its frames. `seq` is the appSeq of the first of them. */
export interface RecordSlice {
  readonly stored: StoredRecord;
  readonly start: number;
  readonly end: number;
  readonly firstLine: number;
  readonly lines: number;
  readonly seq: number;
}

/**
 * The lines of a record with an appSeq in [fromSeq, toSeq), in slices of at most `bytesMax` (but at least one line).
 * Whole records, which is nearly all of them, are not walked.
 */
export function cutRecord(
  stored: StoredRecord,
  fromSeq: number,
  toSeq: number,
  bytesMax: number,
): RecordSlice[] {
  const { frames, lines } = stored.record;
  const first = Math.max(0, fromSeq - stored.appSeq);
  const last = Math.min(lines, toSeq - stored.appSeq);
  if (first >= last) return [];
  if (first === 0 && last === lines && frames.length <= bytesMax) {
    return [{ stored, start: 0, end: frames.length, firstLine: 0, lines, seq: stored.appSeq }];
  }
  return walk(stored, first, last, bytesMax);
}

function walk(stored: StoredRecord, first: number, last: number, bytesMax: number): RecordSlice[] {
  const { frames } = stored.record;
  const frame = new StoredFrame();
  const slices: RecordSlice[] = [];
  for (let line = 0; line < first; line++) frame.read(frames, frame.end);
  let start = frame.end;
  let firstLine = first;
  const cut = (end: number, line: number): void => {
    const seq = stored.appSeq + firstLine;
    slices.push({ stored, start, end, firstLine, lines: line - firstLine, seq });
    start = end;
    firstLine = line;
  };
  for (let line = first; line < last; line++) {
    const lineStart = frame.end;
    frame.read(frames, lineStart);
    if (frame.end - start > bytesMax && line > firstLine) cut(lineStart, line);
  }
  cut(frame.end, last);
  return slices;
}

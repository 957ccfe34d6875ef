import { isUtf8 } from 'node:buffer';
import { noticeTime } from '../core/notices.ts';
import { formatPosition, type Position } from '../core/position.ts';
import { Header, scanHeader } from '../syslog/header.ts';
import type { RecordSlice } from './record-slice.ts';
import { StoredFrame } from './stored-frame.ts';

/** What a websocket shows of a line; `base64` only where `message` could not be exact. */
interface JsonLine {
  position: string;
  time: string | null;
  source: string | null;
  process: string | null;
  severity: number | null;
  message: string;
  base64?: string;
}

/**
 * The lines as a plain tail shows them: `TIME APP[PROCID]: MSG\n`, bytes as they came in, with a final LF where
 * there was none. A line is never longer than its frame, so the frames' size bounds the buffer.
 */
export function textOf(slices: readonly RecordSlice[]): Buffer {
  let bytesMax = 0;
  for (const slice of slices) bytesMax += slice.end - slice.start;
  const text = Buffer.allocUnsafe(bytesMax);
  let at = 0;
  for (const slice of slices) at = writeText(slice, text, at);
  return text.subarray(0, at);
}

/** The lines as one websocket message: `{"lines":[…]}`. */
export function jsonOf(slices: readonly RecordSlice[]): Buffer {
  const lines: JsonLine[] = [];
  for (const slice of slices) collectJson(slice, lines);
  return Buffer.from(JSON.stringify({ lines }));
}

/** A line of our own, from the source and process that logplex gives its own. */
export function ownLine(text: string, atMs: number): Buffer {
  return Buffer.from(`${noticeTime(atMs)} logplex[1]: ${text}\n`);
}

const space = 0x20;
const lineFeed = 0x0a;

/** Filled again and again; nothing here waits between filling and reading them. */
const header = new Header();
const frame = new StoredFrame();

function writeText(slice: RecordSlice, out: Buffer, outAt: number): number {
  const { frames } = slice.stored.record;
  let to = outAt;
  frame.end = slice.start;
  for (let line = 0; line < slice.lines; line++) {
    frame.read(frames, frame.end);
    to = scanHeader(frames, frame.start, frame.end, header)
      ? writeParts(frames, out, to)
      : copy(frames, frame.start, frame.end, out, to);
    if (out[to - 1] !== lineFeed) out[to++] = lineFeed;
  }
  return to;
}

function writeParts(frames: Buffer, out: Buffer, outAt: number): number {
  let to = copy(frames, header.timeStart, header.timeEnd, out, outAt);
  out[to++] = space;
  to = copy(frames, header.appStart, header.appEnd, out, to);
  out[to++] = 0x5b;
  to = copy(frames, header.procStart, header.procEnd, out, to);
  out[to++] = 0x5d;
  out[to++] = 0x3a;
  out[to++] = space;
  return copy(frames, header.messageStart, header.messageEnd, out, to);
}

/** Below this size a loop is quicker than the call into the runtime. */
const copyBytesMin = 48;

function copy(from: Buffer, start: number, end: number, out: Buffer, outAt: number): number {
  if (end - start >= copyBytesMin) return outAt + from.copy(out, outAt, start, end);
  let to = outAt;
  for (let at = start; at < end; at++) out[to++] = from[at] as number;
  return to;
}

function collectJson(slice: RecordSlice, lines: JsonLine[]): void {
  const { frames } = slice.stored.record;
  let line = slice.firstLine;
  frame.end = slice.start;
  for (const end = line + slice.lines; line < end; line++) {
    frame.read(frames, frame.end);
    lines.push(jsonLine(frames, { ...slice.stored.position, line }));
  }
}

function jsonLine(frames: Buffer, position: Position): JsonLine {
  const scanned = scanHeader(frames, frame.start, frame.end, header);
  const start = scanned ? header.messageStart : frame.start;
  const end = frame.end > start && frames[frame.end - 1] === lineFeed ? frame.end - 1 : frame.end;
  const field = (from: number, to: number): string | null =>
    scanned ? frames.toString('utf8', from, to) : null;
  const message = frames.subarray(start, end);
  return {
    position: formatPosition(position),
    time: field(header.timeStart, header.timeEnd),
    source: field(header.appStart, header.appEnd),
    process: field(header.procStart, header.procEnd),
    severity: scanned ? header.severity : null,
    message: message.toString('utf8'),
    ...(isUtf8(message) ? {} : { base64: message.toString('base64') }),
  };
}

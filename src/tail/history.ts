import type { LogBus } from '../bus/bus.ts';
import type { AppId } from '../core/ids.ts';
import { comparePositions, formatPosition, type Position } from '../core/position.ts';

export interface HistoryOptions {
  /** Lines before the live ones when the client does not say. */
  readonly historyLines: number;
  readonly historyLinesMax: number;
  readonly historyAgeMsMax: number;
  /** A client that goes on at a position gets at most so many lines from before now. */
  readonly resumeLinesMax: number;
}

export interface Start {
  readonly position: Position;
  /** At most so many lines are history. */
  readonly linesMax: number;
  readonly gap: Gap | undefined;
}

/** Lines that a client which asked to go on after `from` does not get; `lines` where they can still be counted. */
export interface Gap {
  readonly from: string;
  readonly to: string;
  readonly lines?: number;
}

/** Where to begin for the app's last lines, within the bounds of number and age. */
export async function historyStart(
  options: HistoryOptions,
  bus: LogBus,
  request: { readonly app: AppId; readonly numLines: number | 'default'; readonly nowMs: number },
): Promise<Start> {
  const { app, numLines, nowMs } = request;
  const asked = numLines === 'default' ? options.historyLines : numLines;
  const linesMax = Math.min(asked, options.historyLinesMax);
  const byLines = await bus.seek(app, { linesBack: linesMax });
  if (linesMax === 0) return { position: byLines, linesMax, gap: undefined };
  const byAge = await bus.seek(app, { since: nowMs - options.historyAgeMsMax });
  const position = comparePositions(byLines, byAge) < 0 ? byAge : byLines;
  return { position, linesMax, gap: undefined };
}

/**
 * Where to begin for a client that has everything up to the line at `after`. What it cannot get any more is a gap:
 * lines that retention took, a position of another log, or more lines than are given to one client.
 */
export async function resumeStart(
  options: HistoryOptions,
  bus: LogBus,
  request: { readonly app: AppId; readonly after: Position; readonly nowMs: number },
): Promise<Start> {
  const { app, after, nowMs } = request;
  const linesMax = options.resumeLinesMax;
  const partition = bus.partitionOf(app);
  const { head } = await bus.bounds(partition, app);
  const isOurs = after.logId === bus.logId && after.partition === partition;
  if (!isOurs || after.offset >= head.position.offset) {
    const start = await historyStart(options, bus, { app, numLines: 'default', nowMs });
    return { ...start, linesMax, gap: gap(after, start.position) };
  }
  const asked = { ...after, line: after.line + 1 };
  const { from: found } = await bus.read(asked, 1, app);
  const from = found.position;
  const isGone = comparePositions(asked, from) < 0;
  const hasLost = isGone && found.previous !== null && found.previous.offset >= after.offset;
  const lines = await bus.count(app, from, head.position);
  if (lines <= linesMax) {
    return { position: from, linesMax, gap: hasLost ? gap(after, from) : undefined };
  }
  const position = await bus.seek(app, { linesBack: linesMax });
  if (hasLost) return { position, linesMax, gap: gap(after, position) };
  const missed = await bus.count(app, from, position);
  return { position, linesMax, gap: { ...gap(after, position), lines: missed } };
}

function gap(from: Position, to: Position): Gap {
  return { from: formatPosition(from), to: formatPosition(to) };
}

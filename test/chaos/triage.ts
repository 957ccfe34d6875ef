import { parsePosition } from '../../src/core/position.ts';
import { openEmbedded } from '../support/embedded.ts';
import type { DrainSnapshot } from './drain-ledger.ts';
import { Lines } from './line.ts';
import type { MissingLine } from './verdict.ts';

/** A missing line with the last place that had it. */
export interface Triaged extends MissingLine {
  readonly where: string;
}

interface Found {
  readonly offset: number;
  readonly seq: number;
  readonly app: number;
}

/**
 * Looks for missing lines where a line passes: in the log, then in the books of its drain. What is in neither was
 * lost before it was durable; what the books say is delivered was lost on the way to the receiver, or by it.
 */
export async function triage(
  missing: readonly MissingLine[],
  run: {
    readonly id: string;
    readonly dataDir: string;
    readonly drains: readonly DrainSnapshot[];
    /** Ids in the registry, by drain. */
    readonly drainIds: readonly number[];
  },
): Promise<Triaged[]> {
  const bus = await openEmbedded(run.dataDir);
  try {
    const wanted = new Map<string, Found | undefined>();
    for (const line of missing) wanted.set(keyOf(line), undefined);
    const lines = new Lines(run.id);
    const id = { app: 0, source: 0, sequence: 0 };
    const { oldest } = await bus.bounds(0);
    for (let at = oldest.position, atHead = false; !atHead;) {
      const page = await bus.read(at, 4 << 20);
      for (const stored of page.records) {
        const { frames, app } = stored.record;
        let seq = stored.appSeq;
        for (const text of textsOf(frames)) {
          const isLine = lines.read(frames, text.start, text.end, id) !== 'foreign';
          if (isLine && wanted.has(keyOf(id))) {
            wanted.set(keyOf(id), { offset: stored.position.offset, seq, app });
          }
          seq++;
        }
      }
      at = page.next.position;
      ({ atHead } = page);
    }
    const books = await bus.checkpoints.load(0);
    return missing.map((line) => {
      const entry = books.get(`drain:${run.drainIds[line.drain] ?? 0}`);
      return { ...line, where: whereOf(wanted.get(keyOf(line)), entry, oldest.position.offset) };
    });
  } finally {
    await bus.close();
  }
}

function whereOf(
  found: Found | undefined,
  entry: { readonly [field: string]: unknown } | undefined,
  oldestOffset: number,
): string {
  if (!found) {
    return oldestOffset > 0
      ? 'log: not there; retention has taken the beginning of it'
      : 'log: never there, though it was acknowledged';
  }
  const at = `log: at offset ${found.offset}, line ${found.seq} of app ${found.app}`;
  const cursor = entry?.['cursor'] as readonly [string, number] | undefined;
  const offset = parsePosition(String(cursor?.[0] ?? ''))?.offset;
  if (offset === undefined) return `${at}; books: none`;
  return found.offset >= offset
    ? `${at}; books: its drain stands before it, at ${offset}`
    : `${at}; books: dealt with (cursor at ${offset}); receiver: not there`;
}

function keyOf(line: Pick<MissingLine, 'app' | 'source' | 'sequence'>): string {
  return `${line.app} ${line.source} ${line.sequence}`;
}

/** The texts of stored frames: after six fields and nil STRUCTURED-DATA. */
function* textsOf(frames: Buffer): Iterable<{ start: number; end: number }> {
  for (let at = 0; at < frames.length;) {
    const space = frames.indexOf(0x20, at);
    const end = space + 1 + Number(frames.toString('latin1', at, space));
    let start = space + 1;
    for (let field = 0; field < 7; field++) start = frames.indexOf(0x20, start) + 1;
    yield { start, end };
    at = end;
  }
}

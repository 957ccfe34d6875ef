import type { ScenarioName } from '../scenario.ts';
import type { CheckName } from '../verdict.ts';

/** A text of a source file, there once, and what stands there instead in a copy. */
export interface Replacement {
  readonly file: string;
  readonly old: string;
  readonly by: string;
}

/** A bug as somebody might have made it. The harness is worth what it finds of these. */
export interface SeededBug {
  readonly name: string;
  readonly scenario: Extract<ScenarioName, 'bugs' | 'overrun'>;
  /** The checks of which one must fail; others may as well. */
  readonly caughtBy: readonly CheckName[];
  readonly replacements: readonly Replacement[];
}

const ledger = 'src/drains/drain-ledger.ts';
const sender = 'src/drains/batch-sender.ts';
const encoder = 'src/drains/formats/syslog-encoder.ts';
const intake = 'src/ingest/request-intake.ts';

export const seededBugs: readonly SeededBug[] = [
  {
    name: 'ack before fsync',
    scenario: 'bugs',
    caughtBy: ['loss'],
    replacements: [
      {
        file: 'src/bus/embedded/partition-log.ts',
        old: '    await segment.file.sync();\n    return bytes;\n',
        by: '    setTimeout(() => void segment.file.sync().catch(() => undefined), 300);\n    return bytes;\n',
      },
    ],
  },
  {
    name: 'cursor committed before delivery',
    scenario: 'bugs',
    caughtBy: ['loss'],
    replacements: [
      {
        file: ledger,
        old: '    await this.#kept.save({ ...this.books, inflight: [...before, range, ...after] });\n',
        by: `    const ends = { delivered: cut.messages, filtered: cut.lines - cut.messages };
    void [before, range, after];
    await this.#parts.checkpoint(account(this.books, cut.to, ends));\n`,
      },
    ],
  },
  {
    name: 'one line in 2,000 dropped',
    scenario: 'bugs',
    caughtBy: ['loss'],
    replacements: [
      {
        file: encoder,
        old: '    if (!out.fits(this.#isCounted ? length + 1 + digitsOf(length) : length)) return false;\n',
        by: `    if (!out.fits(this.#isCounted ? length + 1 + digitsOf(length) : length)) return false;
    if (++seen % 2000 === 0) {
      out.messages++;
      return true;
    }\n`,
      },
      {
        file: encoder,
        old: 'const countBytesMax = 12;\n',
        by: 'const countBytesMax = 12;\nlet seen = 0;\n',
      },
    ],
  },
  {
    name: 'two neighbours swapped',
    scenario: 'bugs',
    caughtBy: ['order'],
    replacements: [
      {
        file: intake,
        old: '      notice: undefined,\n      frames,\n',
        by: '      notice: undefined,\n      frames: swapped(frames, lines),\n',
      },
      {
        file: intake,
        old: 'const nothing: FramesPart',
        by: `let bodies = 0;
function swapped(frames: Buffer, lines: number): Buffer {
  if (lines < 2 || ++bodies % 20 !== 0) return frames;
  const end = (at: number): number => {
    const space = frames.indexOf(0x20, at);
    return space + 1 + Number(frames.toString('latin1', at, space));
  };
  const first = end(0);
  const second = end(first);
  return Buffer.concat([
    frames.subarray(first, second),
    frames.subarray(0, first),
    frames.subarray(second),
  ]);
}

const nothing: FramesPart`,
      },
    ],
  },
  {
    name: 'a batch sent twice without a fault',
    scenario: 'bugs',
    caughtBy: ['duplicates'],
    replacements: [
      {
        file: 'src/drains/https/https-drain.ts',
        old: '      return await this.#deliver({ ...batch, body }, limit.signal);\n',
        by: `      if (++deliveries % 10 === 0) await this.#deliver({ ...batch, body }, limit.signal);
      return await this.#deliver({ ...batch, body }, limit.signal);\n`,
      },
      {
        file: 'src/drains/https/https-drain.ts',
        old: 'const compress = ',
        by: 'let deliveries = 0;\nconst compress = ',
      },
    ],
  },
  {
    name: 'delivered to the wrong app',
    scenario: 'bugs',
    caughtBy: ['spurious'],
    replacements: [
      { file: intake, old: '      app: access.app,\n', by: '      app: aimed(access.app),\n' },
      {
        file: intake,
        old: 'const nothing: FramesPart',
        by: `let aims = 0;
function aimed(app: Access['app']): Access['app'] {
  return ++aims % 100 === 0 ? ((app === 1 ? 2 : app - 1) as Access['app']) : app;
}

const nothing: FramesPart`,
      },
    ],
  },
  {
    name: 'the last batch lost at SIGTERM',
    scenario: 'bugs',
    caughtBy: ['loss'],
    replacements: [
      {
        file: sender,
        old: '      queue.sending(cut);\n',
        by: `      if (flush.aborted) return this.#delivered(cut, 0);
      queue.sending(cut);\n`,
      },
    ],
  },
  {
    name: 'text ends at NUL',
    scenario: 'bugs',
    caughtBy: ['spurious'],
    replacements: [
      {
        file: encoder,
        old: "        throw new InvariantError('a stored line is none');\n",
        by: `        throw new InvariantError('a stored line is none');
      const nul = frames.indexOf(0, header.messageStart);
      if (nul >= 0 && nul < end) header.messageEnd = nul;\n`,
      },
    ],
  },
  {
    name: 'characters counted instead of bytes',
    scenario: 'bugs',
    caughtBy: ['spurious'],
    replacements: [
      {
        file: encoder,
        old: '    if (this.#isCounted) writeCount(length, out);\n',
        by: `    const { messageStart: from, messageEnd: to } = this.#header;
    const text = frames.subarray(from, to);
    if (this.#isCounted) writeCount(length - text.length + text.toString().length, out);\n`,
      },
    ],
  },
  {
    name: 'count of L10 forgotten',
    scenario: 'overrun',
    caughtBy: ['conservation'],
    replacements: [
      {
        file: 'src/drains/drain-notices.ts',
        old: '        count: (owed?.count ?? 0) + count,\n',
        by: '        count: owed?.count ?? 0,\n',
      },
    ],
  },
  {
    name: 'cursor reset by a restart',
    scenario: 'bugs',
    caughtBy: ['duplicates'],
    replacements: [
      {
        file: 'src/drains/drain-checkpoints.ts',
        old: '(entry && decodeBooks(entry)) ?? this.#firstBooks(row)',
        by: '(entry && !decodeBooks(entry) ? undefined : undefined) ?? this.#firstBooks(row)',
      },
    ],
  },
  {
    name: 'a retry under a new Frame-Id',
    scenario: 'bugs',
    caughtBy: ['duplicates'],
    replacements: [
      {
        file: 'src/drains/https/https-drain.ts',
        old: '      batch.id,\n    ];\n',
        by: '      newId(batch.id),\n    ];\n',
      },
      {
        file: 'src/drains/https/https-drain.ts',
        old: 'const compress = ',
        by: `const sentIds = new Map<string, number>();
function newId(id: string): string {
  const times = (sentIds.get(id) ?? 0) + 1;
  sentIds.set(id, times);
  return times === 1 ? id : id.slice(0, -2) + String(9 + times);
}

const compress = `,
      },
    ],
  },
];

/** The source with the bug in it. Throws when the place is not there, or not only once. */
export function applied(source: string, { file, old, by }: Replacement): string {
  const places = source.split(old).length - 1;
  if (places !== 1)
    throw new Error(`${file}: ${places} places for the bug at ${JSON.stringify(old)}`);
  return source.replace(old, () => by);
}

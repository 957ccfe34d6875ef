import type { Lines } from './line.ts';
import { appName, procId } from './line.ts';

/** Repeats of lines, by when the line first came and when it came again, in ticks of the run: whole ones for single lines. */
export interface Repeat {
  readonly firstTick: number;
  readonly againTick: number;
  readonly lines: number;
}

/** What one receiver has, for the verdict. */
export interface DrainSnapshot {
  readonly drain: number;
  readonly app: number;
  readonly kind: 'https' | 'syslog';
  /** Per source: how often each sequence came, repeated batches left out; saturates. */
  readonly counts: readonly Uint8Array[];
  readonly unique: number;
  /** Lines of batches whose Frame-Id had been taken before. */
  readonly repeatedBatches: readonly Repeat[];
  /** The same, where it was the receiver that had swallowed its own answer. */
  readonly repeatedOwnFault: number;
  /** Lines that came again without being recognisable. */
  readonly repeats: readonly Repeat[];
  /** Lines that first came after a later one of their source. */
  readonly outOfOrder: readonly { readonly source: number; readonly sequence: number }[];
  /** What was wrong with a message or request by itself, with how often. */
  readonly faults: readonly (readonly [string, number])[];
  /** Lines that L10 in this drain's own stream said it will never get. */
  readonly announced: number;
  /** Notices of any kind, repeats left out: lines of the app that no sender sent. */
  readonly notices: number;
}

export interface DrainLedgerOptions {
  readonly drain: number;
  readonly app: number;
  readonly kind: 'https' | 'syslog';
  readonly sources: number;
}

/** What has arrived at one drain's receiver. One byte and one 16-bit tick a line. */
export class DrainLedger {
  readonly #options: DrainLedgerOptions;
  readonly #lines: Lines;
  readonly #appName: Buffer;
  readonly #procIds: readonly Buffer[];
  readonly #sources: SourceCounts[];
  readonly #batches = new Map<string, { crc: number; tick: number; lines: number }>();
  readonly #swallowed = new Set<string>();
  readonly #repeatedBatches: Repeat[] = [];
  readonly #repeats = new Map<number, number>();
  readonly #faults = new Map<string, number>();
  readonly #notices = new Map<string, number>();
  readonly #id = { app: 0, source: 0, sequence: 0 };
  #unique = 0;
  readonly #outOfOrder: { source: number; sequence: number }[] = [];
  #repeatedOwnFault = 0;

  constructor(options: DrainLedgerOptions, lines: Lines) {
    this.#options = options;
    this.#lines = lines;
    this.#appName = Buffer.from(appName(options.app));
    this.#sources = Array.from({ length: options.sources }, () => new SourceCounts());
    this.#procIds = this.#sources.map((_, source) => Buffer.from(procId(source)));
  }

  get unique(): number {
    return this.#unique;
  }

  has(source: number, sequence: number): boolean {
    return (this.#sources[source]?.counts[sequence] ?? 0) > 0;
  }

  /**
   * A batch that was answered with 2xx, or whose answer was swallowed on purpose. Lines are counted the first
   * time that its Frame-Id is seen.
   */
  batch(frameId: string, crc: number, body: Buffer, announced: number, tick: number): void {
    const known = this.#batches.get(frameId);
    if (known) {
      if (known.crc !== crc) this.fault('another body under a known Frame-Id');
      if (this.#swallowed.delete(frameId)) this.#repeatedOwnFault += known.lines;
      else
        this.#repeatedBatches.push({ firstTick: known.tick, againTick: tick, lines: known.lines });
      return;
    }
    const lines = this.frames(body, tick);
    if (lines !== announced) this.fault('Logplex-Msg-Count');
    this.#batches.set(frameId, { crc, tick, lines });
  }

  /** The receiver will not answer this batch although it has it. */
  swallowed(frameId: string): void {
    this.#swallowed.add(frameId);
  }

  /** Takes whole octet-counted frames; returns how many. */
  frames(body: Buffer, tick: number): number {
    let count = 0;
    for (let at = 0; at < body.length; count++) {
      const frame = frameAt(body, at);
      if (frame === undefined || frame === 'incomplete') {
        this.fault('malformed frame');
        return count;
      }
      this.message(body, frame.start, frame.end, tick);
      at = frame.end;
    }
    return count;
  }

  /** One message, its octet count left out. */
  message(bytes: Buffer, start: number, end: number, tick: number): void {
    const fields = this.#options.kind === 'https' ? 6 : 7;
    let at = start;
    let nameAt = 0;
    let procAt = 0;
    for (let field = 0; field < fields; field++) {
      at = bytes.indexOf(0x20, at) + 1;
      if (at === 0 || at > end) return this.fault('malformed header');
      if (field === 2) nameAt = at;
      if (field === 3) procAt = at;
    }
    const app = bytes.subarray(nameAt, procAt - 1);
    if (isNotice(app)) return this.#notice(bytes.toString('latin1', start, end), at - start);
    if (!app.equals(this.#appName)) return this.fault('APP-NAME of another app');
    return this.#line(bytes, { at, end, procAt }, Math.floor(tick));
  }

  fault(what: string): void {
    add(this.#faults, what, 1);
  }

  snapshot(): DrainSnapshot {
    const { drain, app, kind } = this.#options;
    return {
      drain,
      app,
      kind,
      counts: this.#sources.map(({ counts }) => counts),
      unique: this.#unique,
      repeatedBatches: this.#repeatedBatches,
      repeatedOwnFault: this.#repeatedOwnFault,
      repeats: repeatsOf(this.#repeats),
      outOfOrder: this.#outOfOrder,
      faults: [...this.#faults],
      announced: [...this.#notices.values()].reduce((sum, count) => sum + count, 0),
      notices: this.#notices.size,
    };
  }

  #line(bytes: Buffer, where: { at: number; end: number; procAt: number }, tick: number): void {
    const id = this.#id;
    const problem = this.#lines.read(bytes, where.at, where.end, id);
    if (problem) return this.fault(`a line with wrong ${problem}`);
    const source = this.#sources[id.source];
    const proc = this.#procIds[id.source];
    if (id.app !== this.#options.app) return this.fault('a line of another app');
    if (!source || !proc) return this.fault('a line of no source');
    if (bytes.compare(proc, 0, proc.length, where.procAt, where.procAt + proc.length) !== 0)
      return this.fault('PROCID of another source');
    const firstTick = source.take(id.sequence, tick);
    if (firstTick !== undefined) return add(this.#repeats, repeatKey(firstTick, tick), 1);
    this.#unique++;
    if (id.sequence < source.next) {
      this.#outOfOrder.push({ source: id.source, sequence: id.sequence });
    }
    source.next = Math.max(source.next, id.sequence + 1);
    return undefined;
  }

  /** The same notice may come again: its bytes, time included, do not change. */
  #notice(message: string, textAt: number): void {
    const isKnown = this.#notices.has(message);
    const lost = /^Error L10 \(output buffer overflow\): (?:at least )?(\d+) messages/.exec(
      message.slice(textAt),
    );
    // The app's stream carries L10 of the other drains; this drain's own is in no other drain's books.
    if (!isKnown) this.#notices.set(message, Number(lost?.[1] ?? 0));
  }
}

/** The lines of one source: a saturating count, and the tick of the first arrival. */
class SourceCounts {
  counts = new Uint8Array(1024);
  #ticks = new Uint16Array(1024);
  /** One more than the highest sequence so far. */
  next = 0;

  /** Counts an arrival; the tick of the first one when it is not that. */
  take(sequence: number, tick: number): number | undefined {
    if (sequence >= this.counts.length) this.#grow(sequence);
    const times = this.counts[sequence] as number;
    if (times < 255) this.counts[sequence] = times + 1;
    if (times > 0) return this.#ticks[sequence];
    this.#ticks[sequence] = tick;
    return undefined;
  }

  #grow(sequence: number): void {
    const size = Math.max(sequence + 1, this.counts.length * 2);
    const counts = new Uint8Array(size);
    counts.set(this.counts);
    this.counts = counts;
    const ticks = new Uint16Array(size);
    ticks.set(this.#ticks);
    this.#ticks = ticks;
  }
}

/** The octet-counted frame (RFC 6587 §3.4.1) at `at`; undefined when there can be none. */
export function frameAt(
  bytes: Buffer,
  at: number,
): { start: number; end: number } | 'incomplete' | undefined {
  let count = 0;
  for (let i = at; i < at + 8; i++) {
    const byte = bytes[i];
    if (byte === undefined) return 'incomplete';
    if (byte === 0x20 && i > at) {
      const end = i + 1 + count;
      return end > bytes.length ? 'incomplete' : { start: i + 1, end };
    }
    if (byte < 0x30 || byte > 0x39) return undefined;
    count = count * 10 + byte - 0x30;
  }
  return undefined;
}

function isNotice(name: Buffer): boolean {
  return name.length === 6 && name.toString('latin1') === 'heroku';
}

function repeatKey(firstTick: number, againTick: number): number {
  return firstTick * 65_536 + againTick;
}

function repeatsOf(map: ReadonlyMap<number, number>): Repeat[] {
  return [...map].map(([key, lines]) => ({
    firstTick: Math.floor(key / 65_536),
    againTick: key % 65_536,
    lines,
  }));
}

function add<K>(map: Map<K, number>, key: K, count: number): void {
  map.set(key, (map.get(key) ?? 0) + count);
}

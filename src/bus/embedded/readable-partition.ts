import type { AppId } from '../../core/ids.ts';
import type { Position } from '../../core/position.ts';
import type { Bound } from '../bus.ts';
import type { AppHead, AppHeads } from './app-heads.ts';
import { offsetBefore, type AppRun } from './app-run.ts';
import type { Segment } from './segment.ts';

/** What readers need to know of their partition. */
export interface Readable {
  readonly logId: string;
  readonly partition: number;
  /** Oldest first; the last one is the active one. */
  readonly segments: readonly Segment[];
  /** Offset after the last durable record. */
  readonly headOffset: number;
  readonly heads: AppHeads;
}

/** What of a partition is there to be read: from the oldest line that retention has left up to the head. */
export class ReadablePartition {
  readonly #source: Readable;

  constructor(source: Readable) {
    this.#source = source;
  }

  get oldest(): Position {
    return this.position(this.#source.segments[0]?.base ?? this.#source.headOffset);
  }

  get segments(): readonly Segment[] {
    return this.#source.segments;
  }

  /** The app's numbers at the head. */
  headOf(app: AppId): Readonly<AppHead> {
    return this.#source.heads.peek(app);
  }

  /** The head, with the app's numbers at it. */
  head(app?: AppId): Bound {
    const position = this.position(this.#source.headOffset);
    if (app === undefined) return { position, appSeq: 0, previous: null };
    const { seq, previous } = this.headOf(app);
    return { position, appSeq: seq, previous };
  }

  /** Where a read from `asked` starts: there, or at the oldest line when that place does not exist (any more). */
  clamp(asked: Position): Position {
    const { logId, headOffset } = this.#source;
    const isBeyond = asked.offset > headOffset || (asked.offset === headOffset && asked.line > 0);
    if (asked.logId !== logId || isBeyond || asked.offset < this.oldest.offset) return this.oldest;
    return asked;
  }

  /** The segments in which records in [offset, last] may lie. */
  *segmentsFrom(offset: number, last: Position | null): Iterable<Segment> {
    const { segments } = this.#source;
    for (const [i, segment] of [...segments].entries()) {
      const end = segments[i + 1]?.base ?? Infinity;
      if (end <= offset) continue;
      if (last === null || segment.base > last.offset) return;
      yield segment;
    }
  }

  /** What fails because retention took the files meanwhile is done again, with what is left. */
  async whileKept<T>(look: () => Promise<T>): Promise<T> {
    for (;;) {
      const oldest = this.oldest.offset;
      try {
        return await look();
      } catch (error) {
        if (this.oldest.offset === oldest) throw error;
      }
    }
  }

  position(offset: number): Position {
    return { logId: this.#source.logId, partition: this.#source.partition, offset, line: 0 };
  }

  /** The app's record before the run's record `i`; null for none. */
  previousOf(run: AppRun, i: number): Position | null {
    const offset = offsetBefore(run, i);
    return offset < 0 ? null : this.position(offset);
  }
}

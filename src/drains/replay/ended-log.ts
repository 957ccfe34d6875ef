import type { LogBus, Page } from '../../bus/bus.ts';
import type { Position } from '../../core/position.ts';
import type { AppId } from '../../core/ids.ts';
import type { DrainLog } from '../drain-worker.ts';
import { placeAfter, type Place } from '../place.ts';

/** The log as if it ended at one place, at the beginning of a record: nothing after it is ever read or announced. */
export class EndedLog implements DrainLog {
  readonly #bus: DrainLog;
  readonly #end: Place;

  constructor(parts: { bus: DrainLog; end: Place }) {
    this.#bus = parts.bus;
    this.#end = parts.end;
  }

  get logId(): string {
    return this.#bus.logId;
  }

  partitionOf(app: AppId): number {
    return this.#bus.partitionOf(app);
  }

  async bounds(...asked: Parameters<DrainLog['bounds']>): ReturnType<DrainLog['bounds']> {
    const { oldest } = await this.#bus.bounds(...asked);
    return { oldest, head: this.#head };
  }

  async read(from: Position, maxBytes: number, app?: AppId): Promise<Page> {
    const page = await this.#bus.read(from, maxBytes, app);
    const { offset } = this.#end.position;
    // Retention has gone past the end, or everything up to it has been read.
    if (page.from.position.offset >= offset) {
      return { from: this.#head, records: [], next: this.#head, atHead: true };
    }
    if (page.next.position.offset < offset && !page.atHead) return page;
    const records = page.records.filter(({ position }) => position.offset < offset);
    return { from: page.from, records, next: this.#head, atHead: true };
  }

  get #head(): Page['next'] {
    const { position, seq: appSeq } = this.#end;
    return { position, appSeq, previous: null };
  }
}

/** The first place at or after `place` where a record of the app begins: a replay takes records whole. */
export async function recordAtOrAfter(
  bus: Pick<LogBus, 'read'>,
  app: AppId,
  place: Place,
): Promise<Place> {
  if (place.position.line === 0) return place;
  const { records } = await bus.read(place.position, 1, app);
  const [cut] = records;
  if (cut?.position.offset !== place.position.offset) return place;
  return placeAfter(cut);
}

import type { AppId } from '../../core/ids.ts';
import type { Position } from '../../core/position.ts';

/** What the owner of a partition knows of an app at the head: the numbers that its next record gets. */
export interface AppHead {
  /** Lines of the app so far. */
  seq: number;
  /** Its last record; null before the first. */
  previous: Position | null;
}

/** The heads of all apps of a partition. About a hundred bytes for each app that ever logged here. */
export class AppHeads {
  readonly #heads = new Map<AppId, AppHead>();

  /** The head of an app, made when it is new. */
  of(app: AppId): AppHead {
    let head = this.#heads.get(app);
    if (!head) {
      head = { seq: 0, previous: null };
      this.#heads.set(app, head);
    }
    return head;
  }

  /** The head as it is, without making one. */
  peek(app: AppId): Readonly<AppHead> {
    return this.#heads.get(app) ?? { seq: 0, previous: null };
  }

  /** Never gives a number below `seq` again; false when it would not have. */
  raise(app: AppId, seq: number): boolean {
    const head = this.of(app);
    if (head.seq >= seq) return false;
    head.seq = seq;
    return true;
  }

  /** Takes what a checkpoint or an index says, unless something later is known. */
  learn(app: AppId, seq: number, previous: Position | null): void {
    const head = this.of(app);
    const isLater =
      previous !== null && (head.previous === null || previous.offset > head.previous.offset);
    if (seq > head.seq || isLater) {
      head.seq = Math.max(seq, head.seq);
      if (isLater) head.previous = previous;
    }
  }
}

import type { LogBus } from '../bus/bus.ts';
import type { Clock } from '../core/clock.ts';
import type { AppId, DrainId } from '../core/ids.ts';
import type { Logger } from '../core/logger.ts';
import { noticeFrame, notices as texts } from '../core/notices.ts';
import { formatPosition, parsePosition } from '../core/position.ts';
import type { LogRecord } from '../core/record.ts';
import type { Books, PendingNotice } from './drain-books.ts';
import type { DrainEventKind } from './events/drain-event.ts';

export interface DrainNoticesOptions {
  readonly id: DrainId;
  readonly app: AppId;
  /** The drain's URL with its secrets masked. */
  readonly maskedUrl: string;
  /** At most one notice of a code in this time; what happens meanwhile joins the next one. */
  readonly intervalMs: number;
  /** A notice that could not be written is tried again after this. */
  readonly retryMs: number;
  readonly readBytesMax: number;
}

export interface DrainNoticesParts {
  readonly bus: LogBus;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The worker's books, as seen from here: changed in one step, never from a copy that has grown old. */
export interface BooksHolder {
  readonly books: Books;
  /** Changes the books and writes them; survives `kill -9` once it resolves. */
  change(step: (books: Books) => Books): Promise<void>;
}

/** What a worker has to tell about what it meets. */
export type WorkerNotices = Pick<
  DrainNotices,
  'lost' | 'refused' | 'certificateRefused' | 'held' | 'dueInMs' | 'settle'
>;

/**
 * What one drain has to tell its app's stream. A loss and its notice are one checkpoint entry, fsynced before
 * the notice is appended to the log and cleared after; a restart looks in the log whether it got there.
 */
export class DrainNotices {
  readonly #options: DrainNoticesOptions;
  readonly #parts: DrainNoticesParts;
  readonly #lastMs = new Map<string, number>();
  /** Notices of which this process knows that they are not in the log. */
  readonly #unwritten = new Set<string>();
  #retryAtMs = -Infinity;
  /** An L19 whose time has not come. */
  #waitingState: string | undefined;

  constructor(options: DrainNoticesOptions, parts: DrainNoticesParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** The books after lines before the cursor turned out to be gone: the drain and the stream are to be told. */
  lost(books: Books, loss: { fromSeq: number; lines: number; exact: boolean }): Books {
    const nowMs = this.#parts.clock.nowMs();
    const { owed } = books;
    const { lines: count, exact } = loss;
    const sinceMs = books.lastLineMs;
    return {
      ...this.#joined(books, {
        code: 'L10',
        count,
        exact,
        sinceMs,
        fromSeq: loss.fromSeq,
        status: 0,
      }),
      owed: {
        count: (owed?.count ?? 0) + count,
        sinceMs: owed?.sinceMs ?? sinceMs,
        exact: exact && (owed?.exact ?? true),
        atMs: nowMs,
      },
    };
  }

  /** The books after the receiver said never to lines at the cursor. */
  refused(books: Books, refusal: { fromSeq: number; count: number; status: number }): Books {
    const sinceMs = books.lastLineMs;
    return this.#joined(books, { code: 'L18', exact: true, sinceMs, ...refusal });
  }

  /** L14, at most once an interval. It has no count that could be lost, and so no entry. */
  certificateRefused(books: Books, reason: string): void {
    this.#tell('L14', books, texts.certificate(reason, this.#options.maskedUrl));
  }

  /** L19, when the drain comes to be held, in the same manner. */
  held(books: Books, reason: string): void {
    this.#tellState(books, texts.drainHeld(reason, this.#options.maskedUrl));
  }

  /** L19, for what else becomes of a drain. */
  stateChanged(books: Books, change: DrainEventKind, reason: string): void {
    const { maskedUrl } = this.#options;
    switch (change) {
      case 'held':
        return this.held(books, reason);
      case 'failing':
        return this.#tellState(
          books,
          texts.drainFailing(reason, Math.floor(books.failingForMs / hourMs), maskedUrl),
        );
      case 'disabled':
        return this.#tellState(books, texts.drainDisabled(reason, maskedUrl));
      case 'recovered':
        return this.#tellState(books, texts.drainRecovered(maskedUrl));
    }
  }

  /** While it is too early for another L19, the newest waits: it is the one that still holds. */
  #tellState(books: Books, text: string): void {
    if (this.#dueInMs('L19') > 0) this.#waitingState = text;
    else this.#tell('L19', books, text);
  }

  #tell(code: string, books: Books, text: string): void {
    if (this.#dueInMs(code) > 0) return;
    // An earlier life of the process may have told it in this interval.
    const isFirst = !this.#lastMs.has(code);
    this.#lastMs.set(code, this.#parts.clock.monotonicMs());
    const interval = Math.floor(this.#parts.clock.nowMs() / this.#options.intervalMs);
    const id = `${code}-${this.#options.id}-${books.cursor.seq}-${interval}`;
    this.#tellOnce(id, text, isFirst ? interval : undefined).catch((error: unknown) => {
      this.#parts.logger.warn({ drainId: this.#options.id, err: error }, 'drain.notice_failed');
    });
  }

  async #tellOnce(id: string, text: string, lookInInterval: number | undefined): Promise<void> {
    if (lookInInterval !== undefined) {
      const since = lookInInterval * this.#options.intervalMs;
      const from = await this.#parts.bus.seek(this.#options.app, { since });
      if (await this.#isInLog(id, formatPosition(from))) return;
    }
    await this.#append(id, text);
  }

  /** When a pending notice may be written; undefined while none is pending. */
  dueInMs(books: Books): number | undefined {
    const codes: string[] = books.notices.map(({ code }) => code);
    if (this.#waitingState !== undefined) codes.push('L19');
    return codes.length === 0 ? undefined : Math.min(...codes.map((code) => this.#dueInMs(code)));
  }

  /** Writes the pending notices whose time has come. One that cannot be written now keeps nothing waiting. */
  async settle(holder: BooksHolder): Promise<void> {
    if (this.#waitingState !== undefined && this.#dueInMs('L19') === 0) {
      this.#tell('L19', holder.books, this.#waitingState);
      this.#waitingState = undefined;
    }
    for (const notice of holder.books.notices) {
      if (this.#dueInMs(notice.code) > 0) continue;
      try {
        await this.#write(holder, notice);
      } catch (error) {
        const { id: drainId, retryMs } = this.#options;
        this.#parts.logger.warn({ drainId, err: error }, 'drain.notice_failed');
        this.#retryAtMs = this.#parts.clock.monotonicMs() + retryMs;
        return;
      }
    }
  }

  async #write(holder: BooksHolder, pending: PendingNotice): Promise<void> {
    const notice = pending.lookFrom === undefined ? await this.#close(holder, pending) : pending;
    const id = idOf(this.#options.id, notice);
    const isUnwritten =
      this.#unwritten.delete(id) || !(await this.#isInLog(id, notice.lookFrom ?? ''));
    if (isUnwritten) await this.#append(id, textOf(notice));
    this.#lastMs.set(notice.code, this.#parts.clock.monotonicMs());
    await holder.change((books) => replaced(books, notice, undefined));
  }

  /**
   * From here on nothing joins the notice, and a crash finds it again as it is. Where that cannot be written it stays
   * open: after a crash the same lines may come to their end in other ranges, and would be told twice.
   */
  async #close(holder: BooksHolder, pending: PendingNotice): Promise<PendingNotice> {
    const { bus } = this.#parts;
    const { head } = await bus.bounds(bus.partitionOf(this.#options.app));
    const closed = { ...pending, lookFrom: formatPosition(head.position) };
    try {
      await holder.change((books) => replaced(books, pending, closed));
      await bus.checkpoints.sync();
    } catch (error) {
      await holder.change((books) => replaced(books, closed, pending)).catch(() => undefined);
      throw error;
    }
    this.#unwritten.add(idOf(this.#options.id, closed));
    return closed;
  }

  /** Joins the notice of the same kind that is not yet on its way, or begins one. */
  #joined(
    books: Books,
    news: Pick<PendingNotice, 'code' | 'count' | 'exact' | 'sinceMs' | 'fromSeq' | 'status'>,
  ): Books {
    const open = books.notices.find(
      (n) => n.code === news.code && n.status === news.status && n.lookFrom === undefined,
    );
    const toSeq = news.fromSeq + news.count;
    if (!open) {
      return { ...books, notices: [...books.notices, { ...news, toSeq, lookFrom: undefined }] };
    }
    const joined = {
      ...open,
      toSeq,
      count: open.count + news.count,
      exact: open.exact && news.exact,
    };
    return replaced(books, open, joined);
  }

  async #isInLog(id: string, lookFrom: string): Promise<boolean> {
    const { bus } = this.#parts;
    let at = parsePosition(lookFrom);
    while (at) {
      const page = await bus.read(at, this.#options.readBytesMax, this.#options.app);
      if (page.records.some(({ record }) => record.notice?.id === id)) return true;
      at = page.atHead ? undefined : page.next.position;
    }
    return false;
  }

  #append(id: string, text: string): Promise<void> {
    const { app, id: drain } = this.#options;
    const nowMs = this.#parts.clock.nowMs();
    const record: LogRecord = {
      kind: 'notice',
      app,
      receivedAtMs: nowMs,
      lines: 1,
      rejected: {},
      requestKey: undefined,
      part: 1,
      parts: 1,
      notice: { id, exceptDrain: drain },
      frames: noticeFrame(text, nowMs),
    };
    return this.#parts.bus.append([record]);
  }

  #dueInMs(code: string): number {
    const lastMs = this.#lastMs.get(code) ?? -Infinity;
    const dueMs = Math.max(lastMs + this.#options.intervalMs, this.#retryAtMs);
    return Math.max(0, dueMs - this.#parts.clock.monotonicMs());
  }
}

const hourMs = 3_600_000;

function idOf(drain: DrainId, notice: PendingNotice): string {
  return `${notice.code}-${drain}-${notice.fromSeq}-${notice.toSeq}`;
}

function textOf(notice: PendingNotice): string {
  return notice.code === 'L10'
    ? texts.drainOverflow(notice.count, notice.sinceMs, notice.exact)
    : texts.refused(notice.count, notice.status, notice.sinceMs);
}

function replaced(books: Books, old: PendingNotice, by: PendingNotice | undefined): Books {
  const notices = books.notices.flatMap((n) => {
    const isOld =
      n.code === old.code &&
      n.fromSeq === old.fromSeq &&
      n.toSeq === old.toSeq &&
      n.status === old.status;
    return isOld ? (by ? [by] : []) : [n];
  });
  return { ...books, notices };
}

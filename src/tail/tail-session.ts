import type { LogBus, Page } from '../bus/bus.ts';
import type { Clock } from '../core/clock.ts';
import type { AppId } from '../core/ids.ts';
import type { Logger } from '../core/logger.ts';
import type { Position } from '../core/position.ts';
import type { AppTail, LiveReader } from './app-tail.ts';
import { type LineBatch, takeBatch } from './line-batch.ts';
import type { EndReason, Outlet, OutletListener } from './outlet.ts';
import { pageBytes, readPage } from './read-page.ts';
import { cutRecord } from './record-slice.ts';
import type { TailMetrics } from './tail-metrics.ts';

interface TailSessionOptions {
  readonly app: AppId;
  readonly start: Position;
  /** Without following: ends at the app's head as it was, or after so many lines. */
  readonly end: { readonly headSeq: number; readonly linesMax: number } | undefined;
  /** What may wait for a slow client, together with what its socket holds. */
  readonly clientQueueBytesMax: number;
  /** A client that takes nothing for so long while something waits for it is cut. */
  readonly stallMsMax: number;
}

interface TailSessionParts {
  readonly bus: LogBus;
  /** Undefined for a session that ends after history. */
  readonly live: AppTail | undefined;
  readonly clock: Clock;
  readonly metrics: TailMetrics;
  readonly logger: Logger;
  openOutlet(listener: OutletListener): Outlet;
}

/**
 * One client's stream.
 *
 *   history ── has all that the live readers have got ──► live ── finish ──► ending ──► closed
 *   history ── at its end, when not following         ─────────────────────► ending
 *
 * In history the client sets the pace, page by page, and loses nothing. Live lines wait for nobody: a client that
 * is too slow for them loses the oldest of those that wait for it, and is told how many.
 */
export class TailSession implements LiveReader, OutletListener {
  readonly #options: TailSessionOptions;
  readonly #parts: TailSessionParts;
  readonly #outlet: Outlet;
  readonly #gone = new AbortController();
  readonly #closed: Promise<void>;
  /** The client has got, or has been told that it lost, every line before this appSeq. */
  #seq = 0;
  #endSeq = Infinity;
  #endReason: EndReason = 'complete';
  #isLive = false;
  #isFinishing = false;
  #isEnding = false;
  #isBlocked = false;
  readonly #queue: { readonly bytes: Buffer; readonly lines: number }[] = [];
  #queueBytes = 0;
  #dropped = 0;
  #droppedSinceMs: number | undefined;
  #stall: { readonly progress: number; readonly sinceMs: number } | undefined;
  /** A session that catches up in rounds: each goes to where the live readers were when it began. */
  #round = { endSeq: 0, lines: Infinity };
  #whenChanged: (() => void) | undefined;

  constructor(options: TailSessionOptions, parts: TailSessionParts) {
    this.#options = options;
    this.#parts = parts;
    this.#closed = new Promise((resolve) => {
      this.#gone.signal.addEventListener('abort', () => resolve(), { once: true });
    });
    this.#outlet = parts.openOutlet(this);
  }

  /** Shows history, then live lines; resolves as soon as the connection is closed. */
  async run(): Promise<void> {
    void this.#show();
    await this.#closed;
  }

  push(batch: LineBatch): void {
    const fitting = batch.fromSeq === this.#seq ? batch : this.#fit(batch);
    if (!fitting || this.#isEnding) return;
    this.#seq = fitting.toSeq;
    const bytes = this.#outlet.encode(fitting);
    if (this.#isBlocked) this.#enqueue(bytes, fitting.lines);
    else this.#write(bytes, fitting.lines);
  }

  /** Because the process goes: ends a following session once it has been sent all that live readers have got. */
  finish(): void {
    const { live } = this.#parts;
    if (!live || this.#isEnding) return;
    this.#endReason = 'shutdown';
    this.#endSeq = live.pushedSeq;
    this.#isFinishing = true;
    if (this.#isLive) this.#endWhenSent();
  }

  /** Ends the stream at once, because its client may not see the app any more. */
  stop(): void {
    this.#endReason = 'unauthorised';
    this.#end();
  }

  /** Cuts the connection. */
  destroy(): void {
    this.#outlet.destroy();
  }

  /** Looks after the connection, about once a second. */
  tend(nowMs: number): void {
    if (!this.#isBlocked && !this.#isEnding) return this.#outlet.tend(nowMs);
    const progress = this.#outlet.progress();
    if (this.#stall?.progress !== progress) {
      this.#stall = { progress, sinceMs: nowMs };
    } else if (nowMs - this.#stall.sinceMs >= this.#options.stallMsMax) {
      this.#parts.metrics.slowCuts++;
      this.#parts.logger.info({ app: this.#options.app }, 'tail.slow_client_cut');
      this.destroy();
    }
  }

  onDrained(): void {
    this.#isBlocked = false;
    this.#stall = undefined;
    for (let next = this.#queue[0]; next && !this.#isBlocked; next = this.#queue[0]) {
      this.#queue.shift();
      this.#queueBytes -= next.bytes.length;
      this.#write(next.bytes, next.lines);
    }
    if (this.#isFinishing && this.#isLive) this.#endWhenSent();
    this.#whenChanged?.();
  }

  onClosed(): void {
    this.#isEnding = true;
    this.#parts.live?.leave(this);
    this.#clearQueue();
    this.#gone.abort();
    this.#whenChanged?.();
  }

  async #show(): Promise<void> {
    try {
      if (!(await this.#showHistory())) this.#end();
    } catch (error) {
      if (this.#gone.signal.aborted) return;
      this.#parts.logger.error({ app: this.#options.app, err: error }, 'tail.read_failed');
      this.destroy();
    }
  }

  /** True when the session has become live, or is over; false when history was all there is to show. */
  async #showHistory(): Promise<boolean> {
    const { app, start, end } = this.#options;
    const { live } = this.#parts;
    this.#round.endSeq = live?.pushedSeq ?? 0;
    let page = await readPage(this.#parts, app, start, this.#gone.signal);
    this.#seq = firstSeq(page, start);
    if (end) this.#endSeq = Math.min(this.#endSeq, end.headSeq, this.#seq + end.linesMax);
    for (;;) {
      await this.#send(page);
      if (this.#isEnding) return true;
      if (this.#seq >= this.#endSeq) return false;
      this.#skipTo(page.next.appSeq);
      if (live ? this.#joins(live) : page.atHead) return live !== undefined;
      page = await readPage(this.#parts, app, page.next.position, this.#gone.signal);
    }
  }

  /** Sends a page of history as fast as the client takes it. */
  async #send(page: Page): Promise<void> {
    const slices = page.records.flatMap((stored) =>
      cutRecord(stored, this.#seq, this.#endSeq, pageBytes),
    );
    for (;;) {
      while (this.#isBlocked && !this.#isEnding) await this.#change();
      const batch = takeBatch(slices, pageBytes);
      if (!batch || this.#isEnding) return;
      this.push(batch);
    }
  }

  /**
   * Becomes live when nothing is missing between what this client has and what the live readers get next. A client
   * that falls back further in each round is slower than the app: it goes on at the live head, and the lines
   * between count as dropped when the next ones come.
   */
  #joins(live: AppTail): boolean {
    if (this.#seq < live.pushedSeq && !this.#isOutrun(live.pushedSeq)) return false;
    live.join(this);
    this.#isLive = true;
    return true;
  }

  #isOutrun(liveSeq: number): boolean {
    if (this.#seq < this.#round.endSeq || this.#isFinishing) return false;
    const lines = liveSeq - this.#seq;
    const isOutrun = lines >= this.#round.lines;
    this.#round = { endSeq: liveSeq, lines };
    return isOutrun;
  }

  /** What this client does not have of the batch; lines between the two are lost to it. */
  #fit(batch: LineBatch): LineBatch | undefined {
    if (batch.toSeq <= this.#seq) return undefined;
    if (batch.fromSeq < this.#seq) return batch.from(this.#seq);
    this.#skipTo(batch.fromSeq);
    return batch;
  }

  #skipTo(seq: number): void {
    if (seq > this.#seq) this.#drop(seq - this.#seq);
    this.#seq = Math.max(this.#seq, seq);
  }

  #enqueue(bytes: Buffer, lines: number): void {
    this.#queue.push({ bytes, lines });
    this.#queueBytes += bytes.length;
    const roomBytes = this.#options.clientQueueBytesMax - this.#outlet.unsentBytes();
    while (this.#queueBytes > roomBytes) {
      const oldest = this.#queue.shift();
      if (!oldest) return;
      this.#queueBytes -= oldest.bytes.length;
      this.#drop(oldest.lines);
    }
  }

  #drop(lines: number): void {
    this.#dropped += lines;
    this.#droppedSinceMs ??= this.#parts.clock.nowMs();
    this.#parts.metrics.droppedMessages += lines;
  }

  #write(bytes: Buffer, lines: number): void {
    if (this.#dropped > 0) this.#tellDropped();
    this.#parts.metrics.sentMessages += lines;
    this.#isBlocked = !this.#outlet.write(bytes);
  }

  #tellDropped(): void {
    this.#outlet.writeDropped(this.#dropped, this.#droppedSinceMs ?? this.#parts.clock.nowMs());
    this.#dropped = 0;
    this.#droppedSinceMs = undefined;
  }

  #endWhenSent(): void {
    if (!this.#isBlocked && this.#queue.length === 0) this.#end();
  }

  #end(): void {
    if (this.#isEnding) return;
    this.#isEnding = true;
    this.#parts.live?.leave(this);
    this.#clearQueue();
    if (this.#dropped > 0) this.#tellDropped();
    this.#outlet.end(this.#endReason);
    this.#whenChanged?.();
  }

  #clearQueue(): void {
    this.#queue.length = 0;
    this.#queueBytes = 0;
  }

  #change(): Promise<void> {
    return new Promise((resolve) => {
      this.#whenChanged = resolve;
    });
  }
}

/** The appSeq of the first line to show. */
function firstSeq(page: Page, start: Position): number {
  const [first] = page.records;
  if (!first) return page.next.appSeq;
  const skipped = first.position.offset === start.offset ? start.line : 0;
  return first.appSeq + Math.min(skipped, first.record.lines);
}

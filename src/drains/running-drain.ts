import { isDeepStrictEqual } from 'node:util';
import type { LogBus, StoredRecord } from '../bus/bus.ts';
import type { Sink } from '../bus/sink.ts';
import type { Clock } from '../core/clock.ts';
import type { AppId, DrainId } from '../core/ids.ts';
import type { Logger } from '../core/logger.ts';
import type { DrainRow } from '../registry/registry.ts';
import type { DrainMachine } from './create-drain-worker.ts';
import { account, newBooks, type Books } from './drain-books.ts';
import { followed } from './drain-losses.ts';
import type { DrainMetrics } from './drain-metrics.ts';
import type { LastError } from './delivery-pace.ts';
import type { FailureReason } from './drain.ts';
import type { DrainNotices } from './drain-notices.ts';
import type { DrainCondition } from './drain-condition.ts';
import type { DrainWorker } from './drain-worker.ts';
import type { CertificateFacts } from './egress/certificate-facts.ts';
import type { DrainEventSink } from './events/drain-event.ts';
import { newsOf, toldAfter, type Told } from './events/drain-standing.ts';

export interface RunningDrainOptions {
  /** What a worker that makes room for another may take to finish what it is sending. */
  readonly handoverMsMax: number;
  /** After how long of nothing but failed attempts the owner is told. */
  readonly failingMs: number;
}

/** What a drain's checkpoint has of it. */
export interface KeptDrain {
  readonly books: Books;
  readonly told: Told;
  /** How many of the registry's resumes have been heeded. */
  readonly resumes: number;
}

export interface RunningDrainParts {
  readonly bus: Pick<LogBus, 'logId' | 'partitionOf' | 'bounds'>;
  readonly makeNotices: (row: DrainRow) => DrainNotices;
  readonly makeMachine: (
    row: DrainRow,
    books: Books,
    checkpoint: (books: Books | null) => Promise<void>,
    notices: DrainNotices,
  ) => DrainMachine;
  readonly save: (kept: KeptDrain | null) => Promise<void>;
  readonly events: DrainEventSink;
  readonly metrics: Pick<DrainMetrics, 'accounted'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

type Memory = Pick<DrainCondition, 'lastSuccessMs' | 'lastError'> & {
  readonly certificate: CertificateFacts | undefined;
  /** The last attempt failed before the receiver had the batch, or it answered that it does not take it. */
  readonly isTurnedAway: boolean;
};

/**
 * One drain as its row in the registry wants it: a worker, or none while it is paused. What its owner changes takes
 * effect by a new worker that goes on from the books of the one before.
 */
export class RunningDrain implements Sink {
  readonly #options: RunningDrainOptions;
  readonly #parts: RunningDrainParts;
  /** The same for all workers: how often something may be told does not depend on them. */
  readonly #notices: DrainNotices;
  #row: DrainRow;
  #books: Books;
  #told: Told;
  #resumes: number;
  #machine: DrainMachine | undefined;
  /** What the workers before this one had met. */
  #memory: Memory = {
    lastSuccessMs: undefined,
    lastError: undefined,
    certificate: undefined,
    isTurnedAway: false,
  };
  #isRemoved = false;

  constructor(
    options: RunningDrainOptions,
    parts: RunningDrainParts,
    row: DrainRow,
    kept: KeptDrain,
  ) {
    this.#options = options;
    this.#parts = parts;
    this.#notices = parts.makeNotices(row);
    this.#row = row;
    this.#books = kept.books;
    this.#told = kept.told;
    this.#resumes = kept.resumes;
  }

  get id(): DrainId {
    return this.#row.id;
  }

  get app(): AppId {
    return this.#row.app;
  }

  get row(): DrainRow {
    return this.#row;
  }

  get books(): Books {
    return this.#machine?.worker.books ?? this.#books;
  }

  get queuedBytes(): number {
    return this.#machine?.worker.queuedBytes ?? 0;
  }

  get condition(): DrainCondition {
    const { lastSuccessMs, lastError } = this.#memory;
    const now = this.#machine?.worker.condition;
    if (now) {
      return {
        ...now,
        lastSuccessMs: now.lastSuccessMs ?? lastSuccessMs,
        lastError: now.lastError ?? lastError,
      };
    }
    const state = this.#books.isDisabled ? 'disabled' : 'paused';
    return { state, lastSuccessMs, lastError, isFailing: false, nextAttemptMs: undefined };
  }

  get certificate(): CertificateFacts | undefined {
    return this.#machine?.certificate() ?? this.#memory.certificate;
  }

  offer(stored: StoredRecord): void {
    this.#machine?.worker.offer(stored);
  }

  /** Whether the row wants something else than the one that is followed. */
  isChangedBy(row: DrainRow): boolean {
    return (
      row.isPaused !== this.#row.isPaused ||
      row.resumes > this.#resumes ||
      !isDeepStrictEqual(row.options, this.#row.options)
    );
  }

  /** Does what the row says; the first time it starts the drain. One at a time. */
  async follow(row: DrainRow): Promise<void> {
    const hasOtherOptions = !isDeepStrictEqual(row.options, this.#row.options);
    const isResumed = row.resumes > this.#resumes;
    this.#row = row;
    this.#resumes = row.resumes;
    if (isResumed) await this.#resume();
    // While it is disabled its worker only follows the head.
    if (row.isPaused && !this.books.isDisabled) return this.#rest(this.#options.handoverMsMax);
    if (hasOtherOptions) {
      await this.#rest(this.#options.handoverMsMax);
      // What the receiver has certainly not taken need not come again as it was: that may be why.
      // Of several that were under way, not all need have met with the same.
      const isAlone = this.#books.inflight.length === 1;
      if (this.#memory.isTurnedAway && isAlone) this.#books = { ...this.#books, inflight: [] };
    }
    this.#run();
  }

  /** Sends what is queued, and ends; the log keeps the rest. */
  async close(signal: AbortSignal): Promise<void> {
    await this.#machine?.worker.close(signal);
  }

  /** Ends at once: nothing is sent any more, and the books close. */
  async remove(): Promise<void> {
    this.#isRemoved = true;
    await this.#machine?.worker.remove();
    this.#machine = undefined;
    await this.#parts.save(null);
  }

  #run(): void {
    if (this.#machine || this.#isRemoved) return;
    const checkpoint = (books: Books | null): Promise<void> => this.#save(books);
    this.#machine = this.#parts.makeMachine(this.#row, this.#books, checkpoint, this.#notices);
    this.#machine.worker.start();
  }

  /** A drain that waits tries at once; one that was given up begins at the head. */
  async #resume(): Promise<void> {
    if (this.books.isDisabled) return this.#revive();
    const isWaiting = this.condition.nextAttemptMs !== undefined;
    if (isWaiting) await this.#rest(0);
  }

  async #revive(): Promise<void> {
    await this.#rest(0);
    const { bus, metrics } = this.#parts;
    const { head } = await bus.bounds(bus.partitionOf(this.app), this.app);
    const passed = followed(this.#books, head);
    const dropped = passed?.dropped ?? 0;
    const books = passed
      ? account(this.#books, passed.to, { dropped })
      : newBooks({ position: head.position, seq: head.appSeq }, this.#parts.clock.nowMs());
    metrics.accounted({ dropped });
    this.#told = [];
    await this.#save({ ...books, inflight: [], failingForMs: 0, isDisabled: false });
  }

  /** Ends the worker; what it was sending may come to an end within `msMax`, or comes again, unchanged. */
  async #rest(msMax: number): Promise<void> {
    const machine = this.#machine;
    if (!machine) return;
    const limit = new AbortController();
    const cancelTimer = this.#parts.clock.after(msMax, () => limit.abort());
    if (msMax === 0) limit.abort();
    await machine.worker.close(limit.signal);
    cancelTimer();
    const { lastSuccessMs, lastError, isFailing } = this.condition;
    const isTurnedAway = isFailing && lastError !== undefined && isRefusal(lastError);
    this.#memory = { lastSuccessMs, lastError, certificate: this.certificate, isTurnedAway };
    this.#books = machine.worker.books;
    this.#machine = undefined;
  }

  async #save(books: Books | null): Promise<void> {
    if (books && this.#isRemoved) return;
    if (books) this.#books = books;
    if (books && this.#machine) this.#tellNews(this.#machine.worker, books);
    await this.#parts.save(books && { books, told: this.#told, resumes: this.#resumes });
  }

  /** Looked for whenever the books are written, which is after every attempt. */
  #tellNews(worker: DrainWorker, books: Books): void {
    const { state, lastSuccessMs, isFailing } = worker.condition;
    const standing = {
      isHeld: state === 'held',
      isDisabled: books.isDisabled,
      isWell: lastSuccessMs !== undefined && !isFailing,
      failingForMs: books.failingForMs,
    };
    const kind = newsOf(this.#told, standing, this.#options.failingMs);
    if (!kind) return;
    this.#told = toldAfter(this.#told, kind);
    const { reason, status } = (kind !== 'recovered' && this.condition.lastError) || {};
    const { id: drain, app, masked: maskedUrl } = this.#row;
    const atMs = this.#parts.clock.nowMs();
    this.#parts.logger.info({ drainId: drain, kind, reason }, 'drain.event');
    this.#parts.events.tell({ kind, drain, app, maskedUrl, reason, status, atMs });
    // The worker itself tells that it is held: it may be so anew for another reason.
    if (kind !== 'held') {
      this.#notices.stateChanged(books, kind, reason?.replaceAll('_', ' ') ?? '');
    }
  }
}

const beforeTheBatch: readonly FailureReason[] = ['dns', 'connect', 'tls', 'blocked_address'];

function isRefusal({ reason, status = 0 }: LastError): boolean {
  // A gateway's 5xx and a 408 say nothing about what came of the batch behind it.
  return (status >= 300 && status < 500 && status !== 408) || beforeTheBatch.includes(reason);
}

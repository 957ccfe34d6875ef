import type { LogBus, StoredRecord, Subscription } from '../bus/bus.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import { noticeFrame, notices } from '../core/notices.ts';
import type { LogRecord } from '../core/record.ts';
import {
  AnnouncedRejections,
  noticeId,
  RejectionSums,
  type RejectionSum,
} from './rejection-sums.ts';
import { noneRejected } from './request-intake.ts';

export interface RejectionAnnouncerOptions {
  /** At most one notice per app and code in this time. */
  readonly noticeIntervalMs: number;
}

export interface RejectionAnnouncerParts {
  readonly bus: Pick<LogBus, 'logId' | 'append' | 'subscribe' | 'read' | 'bounds' | 'checkpoints'>;
  readonly clock: Clock;
  readonly logger: Logger;
}

interface Owned {
  readonly partition: number;
  readonly epoch: number;
  readonly sums: RejectionSums;
  /** Records from here on were heard live. */
  liveFrom: number | undefined;
  /** After the last record that was counted. */
  next: number;
  /** What an earlier life left unannounced is known. */
  isRecovered: boolean;
  isBusy: boolean;
  /** As last written to the checkpoint. */
  through: number;
}

const checkpointKey = 'rejections';
const pageBytes = 1024 * 1024;

/**
 * Tells apps in their own stream how many of their lines were not stored. The counts are in the headers of stored
 * records; notices are records too, whose ids name the range of records that they sum up. So the log itself says
 * what has been announced, and a crash neither loses a notice nor doubles one; the checkpoint only says from where
 * on a start has to look.
 */
export class RejectionAnnouncer {
  readonly #options: RejectionAnnouncerOptions;
  readonly #parts: RejectionAnnouncerParts;
  readonly #owned = new Map<number, Owned>();
  #subscription: Subscription | undefined;
  #stop: (() => void) | undefined;
  #working: Promise<void> = Promise.resolve();

  constructor(options: RejectionAnnouncerOptions, parts: RejectionAnnouncerParts) {
    this.#options = options;
    this.#parts = parts;
  }

  start(): void {
    const { bus, clock } = this.#parts;
    this.#subscription = bus.subscribe({
      assigned: (partition, epoch) => this.#assigned(partition, epoch),
      revoked: (partition) => void this.#owned.delete(partition),
      records: (partition, records) => this.#heard(partition, records),
    });
    this.#stop = clock.every(this.#options.noticeIntervalMs, () => this.#tick());
  }

  /** What is not announced by now is announced after the next start. */
  async close(): Promise<void> {
    this.#stop?.();
    this.#subscription?.close();
    this.#owned.clear();
    await this.#working;
  }

  #assigned(partition: number, epoch: number): void {
    const owned: Owned = {
      partition,
      epoch,
      sums: new RejectionSums(),
      liveFrom: undefined,
      next: 0,
      isRecovered: false,
      isBusy: false,
      through: -1,
    };
    this.#owned.set(partition, owned);
    this.#work(owned);
  }

  #heard(partition: number, records: readonly StoredRecord[]): void {
    const owned = this.#owned.get(partition);
    if (!owned) return;
    for (const stored of records) {
      owned.liveFrom ??= stored.position.offset;
      owned.next = stored.position.offset + 1;
      if (stored.record.rejected !== noneRejected) owned.sums.add(stored);
    }
  }

  #tick(): void {
    for (const owned of this.#owned.values()) this.#work(owned);
  }

  #work(owned: Owned): void {
    if (owned.isBusy) return;
    owned.isBusy = true;
    const work = (owned.isRecovered ? this.#announce(owned) : this.#recover(owned))
      .catch((error: unknown) => {
        this.#parts.logger.warn({ err: error, partition: owned.partition }, 'ingest.notice_failed');
      })
      .finally(() => {
        owned.isBusy = false;
      });
    this.#working = Promise.all([this.#working, work]).then(() => undefined);
  }

  /** Sums up what an earlier life did not announce: from the checkpoint to where this life began to listen. */
  async #recover(owned: Owned): Promise<void> {
    const { bus } = this.#parts;
    const { partition } = owned;
    const entry = (await bus.checkpoints.load(partition)).get(checkpointKey);
    const { oldest } = await bus.bounds(partition);
    // The first life of a log may end before it has written an entry, and the journal may lose one.
    const through = Number(entry?.['through'] ?? oldest.position.offset);
    const announced = new AnnouncedRejections();
    let hasRejected = false;
    const end = await this.#scan(owned, through, Infinity, (stored) => {
      announced.add(stored);
      hasRejected ||= Object.keys(stored.record.rejected).length > 0;
    });
    if (hasRejected) {
      await this.#scan(owned, through, end, (stored) => owned.sums.add(stored, announced));
    }
    owned.next = Math.max(owned.next, end);
    owned.isRecovered = true;
    await this.#checkpoint(owned);
  }

  /** @returns the offset before which everything was visited; live records come after it. */
  async #scan(
    owned: Owned,
    from: number,
    end: number,
    visit: (stored: StoredRecord) => void,
  ): Promise<number> {
    const { logId } = this.#parts.bus;
    let position = { logId, partition: owned.partition, offset: from, line: 0 };
    for (;;) {
      const page = await this.#parts.bus.read(position, pageBytes);
      for (const stored of page.records) {
        const { offset } = stored.position;
        if (offset >= Math.min(end, owned.liveFrom ?? Infinity)) return offset;
        visit(stored);
      }
      position = page.next.position;
      if (page.atHead || position.offset >= end) return position.offset;
    }
  }

  async #announce(owned: Owned): Promise<void> {
    const byApp = Map.groupBy(owned.sums.take(), ({ app }) => app);
    const appended = [...byApp.values()].map((sums) => this.#append(owned, sums));
    await Promise.all(appended);
    await this.#checkpoint(owned);
  }

  async #append(owned: Owned, sums: readonly RejectionSum[]): Promise<void> {
    try {
      await this.#parts.bus.append(sums.map((sum) => this.#notice(sum)));
      for (const sum of sums) owned.sums.announced(sum);
    } catch (error) {
      // They stay as they are, with the same ids, for the next interval.
      this.#parts.logger.warn({ err: error, app: sums[0]?.app }, 'ingest.notice_failed');
    }
  }

  #notice(sum: RejectionSum): LogRecord {
    const nowMs = this.#parts.clock.nowMs();
    const text = sum.code === 'L16' ? notices.rateLimited : notices.malformed;
    return {
      kind: 'notice',
      app: sum.app,
      receivedAtMs: nowMs,
      lines: 1,
      rejected: noneRejected,
      requestKey: undefined,
      part: 1,
      parts: 1,
      notice: { id: noticeId(sum), exceptDrain: undefined },
      frames: noticeFrame(text(sum.count, sum.sinceMs), nowMs),
    };
  }

  async #checkpoint(owned: Owned): Promise<void> {
    const through = owned.sums.lowest ?? owned.next;
    if (through === owned.through || this.#owned.get(owned.partition) !== owned) return;
    owned.through = through;
    const entries = new Map([[checkpointKey, { through }]]);
    await this.#parts.bus.checkpoints.append(owned.partition, owned.epoch, entries);
  }
}

import type { LogBus, StoredRecord } from '../bus/bus.ts';
import type { Sink } from '../bus/sink.ts';
import type { Chance } from '../core/chance.ts';
import type { Clock } from '../core/clock.ts';
import type { Logger } from '../core/logger.ts';
import { comparePositions, parsePosition, type Position } from '../core/position.ts';
import type { DrainRow } from '../registry/registry.ts';
import type { Books } from './drain-books.ts';
import type { DrainWorker } from './drain-worker.ts';
import type { Place } from './place.ts';
import type { ProbeVerdict } from './probe/drain-probe.ts';
import { DrainReplay, newRun } from './replay/drain-replay.ts';
import { recordAtOrAfter } from './replay/ended-log.ts';
import type { ReplayRun } from './replay/replay-run.ts';
import type { RunningDrain } from './running-drain.ts';

export interface ManagedDrainOptions {
  readonly handoverMsMax: number;
}

export interface ManagedDrainParts {
  readonly drain: RunningDrain;
  readonly bus: Pick<LogBus, 'logId' | 'partitionOf' | 'read' | 'seek'>;
  readonly makeReplayWorker: (
    row: DrainRow,
    run: ReplayRun,
    checkpoint: (books: Books | null) => Promise<void>,
  ) => DrainWorker;
  readonly saveReplay: (run: ReplayRun | null) => Promise<void>;
  readonly probe: (row: DrainRow) => Promise<ProbeVerdict>;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly logger: Logger;
}

/** Where a replay begins: at lines received since then (ms since 1970), or at a printed position. */
export type ReplayFrom = { readonly sinceMs: number } | { readonly position: string };

export type ReplayAnswer =
  | 'started'
  /** There is one already. */
  | 'running'
  /** The drain is paused or disabled. */
  | 'resting'
  /** Not one of this log, or not before the place where the drain is. */
  | 'no position';

/** A drain with what runs beside it: at most one replay and one test. What is done to it is done one after the other. */
export class ManagedDrain implements Sink {
  readonly drain: RunningDrain;
  readonly #options: ManagedDrainOptions;
  readonly #parts: ManagedDrainParts;
  #replay: DrainReplay | undefined;
  #turn: Promise<void> = Promise.resolve();
  #isTested = false;

  constructor(options: ManagedDrainOptions, parts: ManagedDrainParts, replay?: ReplayRun) {
    this.#options = options;
    this.#parts = parts;
    this.drain = parts.drain;
    if (replay) this.#replay = this.#newReplay(replay);
  }

  get replay(): DrainReplay | undefined {
    return this.#replay;
  }

  /** Resolves when everything that was asked for before has been done. */
  get idle(): Promise<void> {
    return this.#turn;
  }

  offer(stored: StoredRecord): void {
    this.drain.offer(stored);
  }

  follow(row: DrainRow): void {
    this.#inTurn(async () => {
      const isChanged = this.drain.isChangedBy(row);
      await this.drain.follow(row);
      if (isChanged) await this.#restReplay();
      if (!this.#isResting) this.#replay?.start();
    }).catch((error: unknown) => {
      this.#parts.logger.error({ drainId: row.id, err: error }, 'drain.change_failed');
    });
  }

  startReplay(from: ReplayFrom): Promise<ReplayAnswer> {
    return this.#inTurn(() => this.#startReplay(from));
  }

  /** False when none is running. */
  async stopReplay(): Promise<boolean> {
    if (!this.#replay || this.#replay.isOver) return false;
    await this.#replay.stop();
    return true;
  }

  /** `busy` while another one is on its way. */
  async test(): Promise<ProbeVerdict | 'busy'> {
    if (this.#isTested) return 'busy';
    this.#isTested = true;
    try {
      return await this.#parts.probe(this.drain.row);
    } finally {
      this.#isTested = false;
    }
  }

  async close(signal: AbortSignal): Promise<void> {
    await this.#turn;
    await Promise.all([this.drain.close(signal), this.#replay?.rest(signal)]);
  }

  /** Not in turn: nothing may be sent any more. */
  async remove(): Promise<void> {
    await Promise.all([this.drain.remove(), this.#replay?.stop()]);
    await this.#turn;
  }

  get #isResting(): boolean {
    const { state } = this.drain.condition;
    return state === 'paused' || state === 'disabled';
  }

  async #startReplay(from: ReplayFrom): Promise<ReplayAnswer> {
    if (this.#replay && !this.#replay.isOver) return 'running';
    if (this.#isResting) return 'resting';
    const { bus, clock, chance } = this.#parts;
    const { app, books } = this.drain;
    const end = await recordAtOrAfter(bus, app, books.cursor);
    const position = await this.#positionOf(from);
    if (!position || comparePositions(position, end.position) > 0) return 'no position';
    const run = newRun(chance.uuid(), clock.nowMs(), {
      from: await this.#placeAt(position, end),
      end,
    });
    await this.#parts.saveReplay(run);
    this.#replay = this.#newReplay(run);
    this.#replay.start();
    return 'started';
  }

  async #positionOf(from: ReplayFrom): Promise<Position | undefined> {
    const { bus, clock } = this.#parts;
    const { app } = this.drain;
    if ('sinceMs' in from) {
      const isAhead = from.sinceMs > clock.nowMs();
      return isAhead ? undefined : bus.seek(app, { since: from.sinceMs });
    }
    const position = parsePosition(from.position);
    const isHere = position?.logId === bus.logId && position.partition === bus.partitionOf(app);
    return isHere ? position : undefined;
  }

  /** With the app's number; what retention has taken is not asked for. */
  async #placeAt(position: Position, end: Place): Promise<Place> {
    const { from } = await this.#parts.bus.read(position, 1, this.drain.app);
    const isPast = comparePositions(from.position, end.position) >= 0;
    return isPast ? end : { position: from.position, seq: from.appSeq };
  }

  #newReplay(run: ReplayRun): DrainReplay {
    const { makeReplayWorker, saveReplay, logger } = this.#parts;
    return new DrainReplay(this.drain.id, run, {
      makeWorker: (now, checkpoint) => makeReplayWorker(this.drain.row, now, checkpoint),
      save: saveReplay,
      logger,
    });
  }

  async #restReplay(): Promise<void> {
    const limit = new AbortController();
    const cancel = this.#parts.clock.after(this.#options.handoverMsMax, () => limit.abort());
    await this.#replay?.rest(limit.signal);
    cancel();
  }

  #inTurn<T>(task: () => Promise<T>): Promise<T> {
    const done = this.#turn.then(task);
    this.#turn = done.then(
      () => undefined,
      () => undefined,
    );
    return done;
  }
}

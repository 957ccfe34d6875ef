import type { LogBus } from '../bus/bus.ts';
import type { Chance } from '../core/chance.ts';
import type { Clock } from '../core/clock.ts';
import type { DrainId } from '../core/ids.ts';
import type { Logger } from '../core/logger.ts';
import type { LoopShare } from '../core/loop-share.ts';
import type { DrainRow } from '../registry/registry.ts';
import { frameId } from './batch-cutter.ts';
import { OptionShapes, type OptionSeal } from './batch-shape.ts';
import { createDrain, type CreateDrainOptions, type CreateDrainParts } from './create-drain.ts';
import type { Books } from './drain-books.ts';
import type { BodyPool } from './formats/body-pool.ts';
import { kindOf } from './drain-kind.ts';
import type { DrainMetrics } from './drain-metrics.ts';
import { DrainNotices } from './drain-notices.ts';
import { planDrain, type DrainPlan, type DrainPlanOptions } from './drain-plan.ts';
import { DrainWorker, type DrainWorkerOptions, type DrainWorkerParts } from './drain-worker.ts';
import type { CertificateFacts } from './egress/certificate-facts.ts';
import { RememberedDialer } from './egress/remembered-dialer.ts';
import type { QueueBudget } from './queue-budget.ts';
import { EndedLog } from './replay/ended-log.ts';
import { replayNotices } from './replay/replay-notices.ts';
import { replayFrameId, type ReplayRun } from './replay/replay-run.ts';
import type { StoredOptions } from './url/option-values.ts';

export interface DrainWorkersOptions {
  readonly worker: Omit<
    DrainWorkerOptions,
    'id' | 'app' | 'batchBytesMax' | 'batchLinesMax' | 'batchMsMax' | 'concurrency'
  >;
  readonly noticeIntervalMs: number;
  readonly plan: DrainPlanOptions;
  readonly drain: CreateDrainOptions;
  /** A replay whose receiver has taken nothing for so long ends. */
  readonly replayFailMsMax: number;
}

export interface DrainWorkersParts extends CreateDrainParts {
  readonly bus: LogBus;
  readonly budget: QueueBudget;
  readonly catchUp: LoopShare;
  readonly bodies: BodyPool;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly logger: Logger;
  readonly metrics: DrainMetrics;
  /** For what a drain's checkpoint says of its options. */
  readonly seal: (drain: DrainId) => OptionSeal;
}

type Checkpoint = (books: Books | null) => Promise<void>;

/** What runs for a drain; made anew when its options change. */
export interface DrainMachine {
  readonly worker: DrainWorker;
  /** Of the last TLS connection. */
  readonly certificate: () => CertificateFacts | undefined;
}

/** What a drain tells its app's stream, whichever worker it has. */
export function createDrainNotices(
  { noticeIntervalMs: intervalMs, worker }: DrainWorkersOptions,
  parts: DrainWorkersParts,
  { id, app, masked: maskedUrl }: DrainRow,
): DrainNotices {
  const { retryBaseMs: retryMs, readBytesMax } = worker;
  return new DrainNotices({ id, app, maskedUrl, intervalMs, retryMs, readBytesMax }, parts);
}

/** The worker of a drain as the registry has it, going on where `books` stand. */
export function createDrainMachine(
  options: DrainWorkersOptions,
  parts: DrainWorkersParts,
  drain: { row: DrainRow; books: Books; checkpoint: Checkpoint; notices: DrainNotices },
): DrainMachine {
  const { row, books, checkpoint, notices } = drain;
  const dialer = new RememberedDialer(parts);
  const plan = planDrain(row, options.plan);
  const worker = new DrainWorker(
    workerOptions(options, row, plan),
    {
      ...workerParts(options, { ...parts, dialer }, row, plan),
      bus: parts.bus,
      checkpoint,
      notices,
      metrics: parts.metrics.of(kindOf(row.masked)),
      frameId: (from, lines) => frameId(row.id, from, lines),
    },
    books,
  );
  return { worker, certificate: () => dialer.certificate };
}

/** The worker of a replay of the same drain, which ends where the replay does. */
export function createReplayWorker(
  options: DrainWorkersOptions,
  parts: DrainWorkersParts,
  replay: { row: DrainRow; run: ReplayRun; checkpoint: Checkpoint },
): DrainWorker {
  const { row, run, checkpoint } = replay;
  const plan = planDrain(row, options.plan);
  return new DrainWorker(
    { ...workerOptions(options, row, plan), disableAfterMs: options.replayFailMsMax },
    {
      ...workerParts(options, parts, row, plan),
      bus: new EndedLog({ bus: parts.bus, end: run.end }),
      checkpoint,
      notices: replayNotices,
      metrics: parts.metrics.ofReplay(kindOf(row.masked)),
      frameId: (from, lines) => replayFrameId(run, from, lines),
    },
    run.books,
  );
}

function workerOptions(
  { worker }: DrainWorkersOptions,
  { id, app }: DrainRow,
  { batch, options: { concurrency } }: DrainPlan,
): DrainWorkerOptions {
  return {
    ...worker,
    id,
    app,
    batchBytesMax: batch.bytesMax,
    batchLinesMax: batch.linesMax,
    batchMsMax: batch.waitMsMax,
    concurrency,
  };
}

function workerParts(
  options: DrainWorkersOptions,
  parts: Omit<DrainWorkersParts, 'bus' | 'metrics'>,
  row: DrainRow,
  plan: DrainPlan,
): Omit<DrainWorkerParts, 'bus' | 'checkpoint' | 'notices' | 'metrics' | 'frameId'> {
  const { budget, catchUp, bodies, clock, chance, logger } = parts;
  return {
    budget,
    catchUp,
    clock,
    chance,
    logger,
    shapes: new OptionShapes(
      { ...plan, options: row.options as StoredOptions },
      { seal: parts.seal(row.id), logger, bodies },
    ),
    makeDrain: (events) => ({
      drain: createDrain(plan, options.drain, parts, events),
      isStream: plan.target?.kind === 'syslog',
    }),
  };
}

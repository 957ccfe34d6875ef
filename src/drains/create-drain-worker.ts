import type { LogBus } from '../bus/bus.ts';
import type { Chance } from '../core/chance.ts';
import type { Clock } from '../core/clock.ts';
import type { DrainId } from '../core/ids.ts';
import type { Logger } from '../core/logger.ts';
import type { DrainRow } from '../registry/registry.ts';
import { OptionShapes, type OptionSeal } from './batch-shape.ts';
import { createDrain, type CreateDrainOptions, type CreateDrainParts } from './create-drain.ts';
import type { Books } from './drain-books.ts';
import type { DrainMetrics } from './drain-metrics.ts';
import { DrainNotices } from './drain-notices.ts';
import { planDrain, type DrainPlanOptions } from './drain-plan.ts';
import { DrainWorker, type DrainWorkerOptions } from './drain-worker.ts';
import type { QueueBudget } from './queue-budget.ts';
import type { StoredOptions } from './url/option-values.ts';

export interface DrainWorkersOptions {
  readonly worker: Omit<
    DrainWorkerOptions,
    'id' | 'app' | 'batchBytesMax' | 'batchLinesMax' | 'batchMsMax'
  >;
  readonly noticeIntervalMs: number;
  readonly plan: DrainPlanOptions;
  readonly drain: CreateDrainOptions;
}

export interface DrainWorkersParts extends CreateDrainParts {
  readonly bus: LogBus;
  readonly budget: QueueBudget;
  readonly clock: Clock;
  readonly chance: Chance;
  readonly logger: Logger;
  readonly metrics: DrainMetrics;
  /** For what a drain's checkpoint says of its options. */
  readonly seal: (drain: DrainId) => OptionSeal;
}

/** The worker of a drain as the registry has it, going on where `books` stand. */
export function createDrainWorker(
  options: DrainWorkersOptions,
  parts: DrainWorkersParts,
  drain: {
    row: DrainRow;
    books: Books;
    checkpoint: (books: Books | null) => Promise<void>;
  },
): DrainWorker {
  const { row, books, checkpoint } = drain;
  const { seal } = parts;
  const { id, app, masked: maskedUrl } = row;
  const { noticeIntervalMs: intervalMs, worker } = options;
  const plan = planDrain(row, options.plan);
  const notices = new DrainNotices(
    {
      id,
      app,
      maskedUrl,
      intervalMs,
      retryMs: worker.retryBaseMs,
      readBytesMax: worker.readBytesMax,
    },
    parts,
  );
  return new DrainWorker(
    {
      ...worker,
      id,
      app,
      batchBytesMax: plan.batch.bytesMax,
      batchLinesMax: plan.batch.linesMax,
      batchMsMax: plan.batch.waitMsMax,
    },
    {
      ...parts,
      checkpoint,
      notices,
      shapes: new OptionShapes(
        { ...plan, options: row.options as StoredOptions },
        { seal: seal(row.id), logger: parts.logger },
      ),
      makeDrain: (events) => ({
        drain: createDrain(plan, options.drain, parts, events),
        isStream: plan.target?.kind === 'syslog',
      }),
    },
    books,
  );
}

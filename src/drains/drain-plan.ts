import type { DrainRow } from '../registry/registry.ts';
import type { BatchLimits } from './formats/frame-builder.ts';
import { drainOptions, type DrainOptions } from './url/drain-options.ts';
import { parseDrainUrl, type DrainTarget, type DrainUrlPolicy } from './url/drain-url.ts';
import type { OptionSetting, StoredOptions } from './url/option-values.ts';

/** What follows from a drain's row alone: where it goes, what it sends, how its batches are cut. */
export interface DrainPlan {
  /** Undefined when the operator no longer allows what the row asks for; `problems` says why. */
  readonly target: DrainTarget | undefined;
  readonly problems: readonly string[];
  readonly token: string;
  readonly options: DrainOptions;
  /** What the row's options, or others of this drain, are judged against. */
  readonly setting: OptionSetting;
  readonly batch: BatchPlan;
}

export interface BatchPlan extends BatchLimits {
  /** How long the first line of a batch waits for company. */
  readonly waitMsMax: number;
}

export interface DrainPlanOptions {
  readonly policy: DrainUrlPolicy;
  readonly httpsBatch: BatchPlan;
  readonly syslogBatch: BatchPlan;
}

export function planDrain(
  row: Pick<DrainRow, 'url' | 'options' | 'token'>,
  { policy, httpsBatch, syslogBatch }: DrainPlanOptions,
): DrainPlan {
  const parsed = parseDrainUrl(row.url.reveal(), policy);
  const target = parsed.ok ? parsed.target : undefined;
  const kind = target?.kind ?? 'https';
  const setting = { kind, tls: target?.tls ?? true, insecureAllowed: policy.insecure };
  const options = drainOptions(row.options as StoredOptions, setting);
  const batch = kind === 'https' ? httpsBatch : syslogBatch;
  return {
    target,
    problems: parsed.ok ? [] : parsed.problems,
    token: row.token,
    options,
    setting,
    batch: {
      bytesMax: options.batchBytes ?? batch.bytesMax,
      linesMax: options.batchLines ?? batch.linesMax,
      waitMsMax: options.batchMs ?? batch.waitMsMax,
    },
  };
}

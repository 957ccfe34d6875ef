import { createHash } from 'node:crypto';
import type { Chance } from '../../core/chance.ts';
import { notices } from '../../core/notices.ts';
import type { Position } from '../../core/position.ts';
import { createDrain, type CreateDrainOptions, type CreateDrainParts } from '../create-drain.ts';
import type { Delivery, Drain, FailureReason } from '../drain.ts';
import type { DrainPlan } from '../drain-plan.ts';
import type { CertificateFacts } from '../egress/certificate-facts.ts';
import type { DialStep, DialWatch } from '../egress/dial-watch.ts';
import { createEncoder } from '../formats/create-encoder.ts';
import { FrameBuilder } from '../formats/frame-builder.ts';
import { StepTimes } from './step-times.ts';

export interface DrainProbeOptions {
  /** For all steps together. */
  readonly probeMsMax: number;
  readonly drain: CreateDrainOptions;
}

export interface DrainProbeParts extends CreateDrainParts {
  readonly chance: Chance;
}

export type ProbeStep = DialStep | 'deliver';

/**
 * What became of one marked line. Failures are classes and nothing that the receiver said; how long a step took
 * that failed is not told, so that nobody measures a network with it.
 */
export interface ProbeVerdict {
  /**
   * `delivered`: the receiver says that it has it. `written`: a syslog receiver has been sent it, and did not end
   * the connection in good order, which is all that syslog can tell.
   */
  readonly verdict: 'delivered' | 'written' | 'failed';
  /** In the text of the line, for finding it at the receiver. */
  readonly mark: string;
  readonly steps: readonly StepVerdict[];
  readonly certificate: CertificateFacts | undefined;
}

export type StepVerdict =
  | { readonly step: ProbeStep; readonly ok: true; readonly ms: number }
  | {
      readonly step: ProbeStep;
      readonly ok: false;
      readonly reason: FailureReason;
      readonly status?: number;
      /** Why the certificate was refused, in the words of L14. */
      readonly certificate?: string;
    };

/** Tries a drain out beside its worker: a connection of its own, one line that is in no book, and a verdict. */
export async function probeDrain(
  plan: DrainPlan,
  options: DrainProbeOptions,
  parts: DrainProbeParts,
): Promise<ProbeVerdict> {
  const { clock } = parts;
  const limit = new AbortController();
  const cancelTimer = clock.after(options.probeMsMax, () => limit.abort());
  const times = new StepTimes<ProbeStep>({ clock });
  const seen: { certificate: CertificateFacts | undefined } = { certificate: undefined };
  const watch: DialWatch = {
    done: (step) => times.finish(step),
    certificate: (facts) => (seen.certificate = facts),
  };
  const stream: { isConfirmed: boolean; failure?: Failure } = { isConfirmed: false };
  const drain = createDrain(
    plan,
    options.drain,
    { ...parts, dialer: { connect: (to, signal) => parts.dialer.connect(to, signal, watch) } },
    {
      confirmed: () => (stream.isConfirmed = true),
      broken: (reason, certificate) => {
        if (certificate !== undefined) stream.failure = { reason, certificate };
      },
    },
  );
  const mark = parts.chance.uuid();
  try {
    const delivery = await deliverMarked(drain, { plan, mark, nowMs: clock.nowMs() }, limit.signal);
    const failure = limit.signal.aborted ? timeout : (failureOf(delivery) ?? stream.failure);
    if (!failure) times.finish('deliver');
    return {
      verdict: failure ? 'failed' : takenAs(delivery, stream.isConfirmed),
      mark,
      steps: [...times.done.map(passed), ...(failure ? [failed(plan, times, failure)] : [])],
      certificate: seen.certificate,
    };
  } finally {
    cancelTimer();
    await drain.close(AbortSignal.abort());
  }
}

async function deliverMarked(
  drain: Drain,
  { plan, mark, nowMs }: { plan: DrainPlan; mark: string; nowMs: number },
  signal: AbortSignal,
): Promise<Delivery> {
  const encoder = createEncoder(plan.options, plan.token);
  const out = new FrameBuilder();
  out.begin({ bytesMax: Infinity, linesMax: Infinity });
  encoder.encodeNotice(notices.drainTest(mark), nowMs, out);
  encoder.finish(out);
  // A Frame-Id that no batch of lines has.
  const id = createHash('sha256').update(`test ${mark}`).digest('hex').slice(0, 32);
  const batch = { id, to: nowhere, messages: out.messages, body: out.take() };
  const delivery = await drain.deliver(batch, signal);
  // A syslog receiver that answers our FIN has read the line.
  if (delivery.kind === 'written') await drain.close(signal);
  return delivery;
}

/** The line has no place in the log. */
const nowhere: Position = { logId: '', partition: 0, offset: 0, line: 0 };

type Failure = Pick<Extract<StepVerdict, { ok: false }>, 'reason' | 'status' | 'certificate'>;

const timeout: Failure = { reason: 'timeout' };

function failureOf(delivery: Delivery): Failure | undefined {
  switch (delivery.kind) {
    case 'written':
      return undefined;
    case 'delivered':
      return delivery.rejected === 0 ? undefined : { reason: 'protocol' };
    case 'retry':
    case 'hold': {
      const { reason, status } = delivery;
      const certificate = delivery.kind === 'retry' ? delivery.certificate : undefined;
      return {
        reason,
        ...(status === undefined ? {} : { status }),
        ...(certificate === undefined ? {} : { certificate }),
      };
    }
    case 'split':
    case 'refused':
      return { reason: 'http_4xx', status: delivery.status };
  }
}

function takenAs(delivery: Delivery, isConfirmed: boolean): 'delivered' | 'written' {
  return delivery.kind === 'delivered' || isConfirmed ? 'delivered' : 'written';
}

function passed({ step, ms }: { step: ProbeStep; ms: number }): StepVerdict {
  return { step, ok: true, ms };
}

/** It is the first step that was not done. */
function failed(plan: DrainPlan, times: StepTimes<ProbeStep>, failure: Failure): StepVerdict {
  const steps: ProbeStep[] = ['resolve', 'connect'];
  if (plan.target?.tls !== false) steps.push('tls');
  return { step: steps[times.done.length] ?? 'deliver', ok: false, ...failure };
}

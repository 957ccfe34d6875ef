import type { LogBus } from '../bus/bus.ts';
import type { Clock } from '../core/clock.ts';
import { auditBooks, type Audit } from './drain-audit.ts';
import type { Outcome } from './drain-books.ts';
import type { DrainCondition } from './drain-condition.ts';
import type { CertificateFacts } from './egress/certificate-facts.ts';
import type { ReplayStatus } from './replay/drain-replay.ts';
import type { RunningDrain } from './running-drain.ts';

/** What the owner of a drain may know of it. */
export interface DrainHealth extends DrainCondition {
  /** Lines by the end that they came to, since the drain was added. */
  readonly messages: Readonly<Record<Outcome, number>>;
  readonly imbalanceMessages: number;
  readonly backlog: DrainBacklog;
  /** Of the last TLS connection of this process. */
  readonly certificate: CertificateFacts | undefined;
  /** The one that is running, or the last one of this process. */
  readonly replay: ReplayStatus | undefined;
}

export interface DrainBacklog {
  readonly messages: number;
  readonly bytes: number;
  readonly ageMs: number;
}

interface HealthParts {
  readonly bus: LogBus;
  readonly clock: Clock;
}

export async function healthOf(
  drain: RunningDrain,
  replay: ReplayStatus | undefined,
  parts: HealthParts,
): Promise<DrainHealth> {
  const { books, condition, certificate } = drain;
  const audit = await auditOf(drain, parts);
  return {
    ...condition,
    messages: books.counts,
    imbalanceMessages: audit.imbalanceMessages,
    backlog: await backlogOf(drain, audit, parts),
    certificate,
    replay,
  };
}

export function auditOf(drain: RunningDrain, { bus }: Pick<HealthParts, 'bus'>): Promise<Audit> {
  const isPaused = drain.condition.state === 'paused';
  return auditBooks(bus, drain.app, drain.books, { isPaused });
}

/** What the lines weigh that an audit has counted. */
export async function backlogOf(
  { app, books }: RunningDrain,
  { backlogMessages: messages }: Audit,
  { bus, clock }: HealthParts,
): Promise<DrainBacklog> {
  if (messages === 0) return { messages, bytes: 0, ageMs: 0 };
  const { bytes, sinceMs } = await bus.weigh(app, books.cursor.position);
  const ageMs = sinceMs === undefined ? 0 : Math.max(0, clock.nowMs() - sinceMs);
  return { messages, bytes, ageMs };
}

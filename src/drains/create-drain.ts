import type { Clock } from '../core/clock.ts';
import { BlockedDrain } from './egress/blocked-drain.ts';
import type { Dialer } from './egress/remembered-dialer.ts';
import { DrainLanes } from './drain-lanes.ts';
import type { Drain, StreamEvents } from './drain.ts';
import type { DrainPlan } from './drain-plan.ts';
import { HttpsDrain, type HttpsDrainOptions } from './https/https-drain.ts';
import { SyslogDrain, type SyslogDrainOptions } from './syslog/syslog-drain.ts';
import type { TcpQueues } from './syslog/tcp-queues.ts';

export interface CreateDrainOptions {
  readonly https: HttpsDrainOptions;
  readonly syslog: SyslogDrainOptions;
}

export interface CreateDrainParts {
  readonly dialer: Dialer;
  /** One for all drains of the process. */
  readonly tcpQueues: TcpQueues;
  readonly clock: Clock;
}

/** The drain that the plan asks for. It connects when it first delivers. Only syslog calls `events`. */
export function createDrain(
  plan: DrainPlan,
  options: CreateDrainOptions,
  parts: CreateDrainParts,
  events: StreamEvents,
): Drain {
  const { target } = plan;
  if (!target) return new BlockedDrain();
  if (target.kind === 'syslog') {
    return new SyslogDrain(options.syslog, parts, { ...plan, target }, events);
  }
  const { concurrency: length } = plan.options;
  const lane = (): Drain => new HttpsDrain(options.https, parts, { ...plan, target });
  return length === 1 ? lane() : new DrainLanes(Array.from({ length }, lane));
}

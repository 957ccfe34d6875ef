import { Counter, type Registry } from 'prom-client';
import type { FailureReason } from '../drain.ts';

/** `connected`, or why not; `cancelled` when we gave it up ourselves. */
export type DialOutcome = 'connected' | 'cancelled' | FailureReason;

export const refusalReasons = ['address', 'port', 'name'] as const;
/** What the guard refused: an address that is not public, a port, a name of an inner network. */
export type RefusalReason = (typeof refusalReasons)[number];

const outcomes: readonly DialOutcome[] = [
  'connected',
  'cancelled',
  'timeout',
  'connect',
  'dns',
  'tls',
  'blocked_address',
  'closed',
];

export class EgressMetrics {
  readonly #dials: Counter<'outcome'>;
  readonly #refusals: Counter<'reason'>;

  constructor(registry: Registry) {
    this.#dials = new Counter({
      name: 'spillway_egress_dials_total',
      help: 'Connections to receivers of drains that were tried, by outcome.',
      labelNames: ['outcome'],
      registers: [registry],
    });
    this.#refusals = new Counter({
      name: 'spillway_egress_refusals_total',
      help: 'Connections that the egress guard refused, by what was not allowed.',
      labelNames: ['reason'],
      registers: [registry],
    });
    for (const outcome of outcomes) this.#dials.inc({ outcome }, 0);
    for (const reason of refusalReasons) this.#refusals.inc({ reason }, 0);
  }

  dialled(outcome: DialOutcome): void {
    this.#dials.inc({ outcome });
  }

  refused(reason: RefusalReason): void {
    this.#refusals.inc({ reason });
  }
}

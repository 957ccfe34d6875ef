import { Counter, Gauge, type Registry } from 'prom-client';

/** Plain numbers on the hot path; prom-client sees them when it is asked. */
export class TailMetrics {
  clients = 0;
  sentMessages = 0;
  droppedMessages = 0;
  slowCuts = 0;
  holeReads = 0;

  constructor(registry: Registry) {
    const read = (): TailMetrics => this;
    new Gauge({
      name: 'spillway_tail_clients',
      help: 'Open tail sessions, plain and websocket.',
      registers: [registry],
      collect() {
        this.set(read().clients);
      },
    });
    new Counter({
      name: 'spillway_tail_messages_total',
      help: 'Lines for tail sessions: sent, or dropped because the client was too slow (it was told: L11).',
      labelNames: ['outcome'],
      registers: [registry],
      collect() {
        this.reset();
        this.inc({ outcome: 'sent' }, read().sentMessages);
        this.inc({ outcome: 'dropped' }, read().droppedMessages);
      },
    });
    counter(registry, 'spillway_tail_slow_cuts_total', slowCutsHelp, () => this.slowCuts);
    counter(registry, 'spillway_tail_hole_reads_total', holeReadsHelp, () => this.holeReads);
  }
}

const slowCutsHelp = 'Tail sessions cut because their client took nothing for too long.';
const holeReadsHelp =
  'Times that an app’s live lines had a hole (or were too many at once), and the log was read instead.';

function counter(registry: Registry, name: string, help: string, value: () => number): void {
  new Counter({
    name,
    help,
    registers: [registry],
    collect() {
      this.reset();
      this.inc(value());
    },
  });
}

import { Counter, Gauge, type Registry } from 'prom-client';

export const syslogDoors = ['tcp', 'tls'] as const;
export type SyslogDoor = (typeof syslogDoors)[number];

/** How a connection ended. */
export const syslogEndings = [
  'ended',
  'failed',
  'unauthorised',
  'overlong',
  'idle',
  'full',
  'handshake',
  'stopped',
  'error',
] as const;
export type SyslogEnding = (typeof syslogEndings)[number];

const formats = ['rfc5424', 'rfc3164', 'malformed'] as const;
const failures = ['missing', 'unknown'] as const;

const connectionsHelp = 'Open connections at the syslog doors.';
const waitingHelp =
  'Connections that are not read now because what they brought is being stored, or cannot be.';

interface DoorConnections {
  readonly open: () => number;
  readonly waiting: () => number;
}

/** Counters of the syslog doors. What they store is counted where all that is stored is counted. */
export class SyslogMetrics {
  readonly messages: Counter<'format'>;
  readonly unauthorised: Counter<'reason'>;
  readonly endings: Counter<'reason'>;
  readonly bytes: Counter;
  readonly #registry: Registry;
  readonly #doors = new Map<SyslogDoor, DoorConnections>();

  constructor(registry: Registry) {
    this.#registry = registry;
    const registers = [registry];
    this.messages = new Counter({
      name: 'spillway_syslog_messages_total',
      help: 'Messages that came in at the syslog doors, by what they were.',
      labelNames: ['format'],
      registers,
    });
    this.unauthorised = new Counter({
      name: 'spillway_syslog_auth_failures_total',
      help: 'Messages without a token, and with one that the registry does not know. They belong to no app.',
      labelNames: ['reason'],
      registers,
    });
    this.endings = new Counter({
      name: 'spillway_syslog_closed_connections_total',
      help: 'Connections at the syslog doors by why they ended.',
      labelNames: ['reason'],
      registers,
    });
    this.bytes = new Counter({
      name: 'spillway_syslog_received_bytes_total',
      help: 'Bytes read at the syslog doors.',
      registers,
    });
    this.#gauge('spillway_syslog_connections', connectionsHelp, 'open');
    this.#gauge('spillway_syslog_waiting_connections', waitingHelp, 'waiting');
    for (const format of formats) this.messages.inc({ format }, 0);
    for (const reason of failures) this.unauthorised.inc({ reason }, 0);
    for (const reason of syslogEndings) this.endings.inc({ reason }, 0);
  }

  /** Reads a door's connections whenever metrics are asked for. */
  watch(door: SyslogDoor, now: DoorConnections): void {
    this.#doors.set(door, now);
  }

  #gauge(name: string, help: string, key: keyof DoorConnections): void {
    const doors = this.#doors;
    new Gauge({
      name,
      help,
      labelNames: ['door'],
      registers: [this.#registry],
      collect() {
        for (const door of syslogDoors) this.set({ door }, doors.get(door)?.[key]() ?? 0);
      },
    });
  }
}

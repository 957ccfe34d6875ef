import { Counter, Gauge, type Registry } from 'prom-client';
import { rejectReasons, type RejectReason } from '../core/record.ts';
import { requestOutcomes, type RequestOutcome } from './answers.ts';
import { noneRejected, type Intake } from './request-intake.ts';

export type AuthFailure = 'missing' | 'unknown';

/** Plain numbers on the hot path; prom-client sees them when it is asked. */
export class IngestMetrics {
  acceptedMessages = 0;
  cutMessages = 0;
  bodyBytes = 0;
  readonly rejectedMessages: Record<RejectReason, number> = zeros(rejectReasons);
  readonly requests: Record<RequestOutcome, number> = zeros(requestOutcomes);
  readonly authFailures: Record<AuthFailure, number> = { missing: 0, unknown: 0 };

  readonly #registry: Registry;

  constructor(registry: Registry) {
    counter(
      registry,
      'spillway_accepted_messages_total',
      acceptedHelp,
      () => this.acceptedMessages,
    );
    labelled(
      registry,
      'spillway_rejected_messages_total',
      rejectedHelp,
      'reason',
      this.rejectedMessages,
    );
    labelled(registry, 'spillway_ingest_requests_total', requestsHelp, 'outcome', this.requests);
    labelled(
      registry,
      'spillway_ingest_auth_failures_total',
      authHelp,
      'reason',
      this.authFailures,
    );
    counter(registry, 'spillway_ingest_cut_messages_total', cutHelp, () => this.cutMessages);
    counter(registry, 'spillway_ingest_body_bytes_total', bytesHelp, () => this.bodyBytes);
    this.#registry = registry;
  }

  /** What a request, or one read of a syslog connection, came to is durable. */
  stored({ lines, records, cut }: Intake): void {
    this.acceptedMessages += lines;
    this.cutMessages += cut;
    const rejected = records[0]?.rejected ?? noneRejected;
    if (rejected === noneRejected) return;
    for (const reason of rejectReasons) this.rejectedMessages[reason] += rejected[reason] ?? 0;
  }

  /** Reads these whenever metrics are asked for. */
  watch(now: {
    inFlightBytes: () => number;
    heldRequests: () => number;
    rememberedRequests: () => number;
  }): void {
    gauge(this.#registry, 'spillway_ingest_in_flight_bytes', inFlightHelp, now.inFlightBytes);
    gauge(this.#registry, 'spillway_ingest_held_requests', heldHelp, now.heldRequests);
    gauge(
      this.#registry,
      'spillway_ingest_remembered_requests',
      rememberedHelp,
      now.rememberedRequests,
    );
  }
}

const acceptedHelp = 'Messages made durable and acknowledged at the ingest doors.';
const rejectedHelp =
  'Messages that were received and not stored: not a message, missing from what Logplex-Msg-Count announced, or beyond the rate of the app.';
const requestsHelp = 'Requests at POST /logs by how they ended.';
const authHelp = 'Requests without a readable token, and with one that the registry does not know.';
const cutHelp = 'Messages whose text was too long and was cut.';
const bytesHelp = 'Bytes of request bodies read, before inflating.';
const inFlightHelp =
  'Bytes of bodies being read, held or made durable, and of lines from syslog connections.';
const heldHelp =
  'Requests that wait for room, for the log, for the registry or for another copy of themselves.';
const rememberedHelp = 'Requests remembered so that a repeat of one is stored once.';

function zeros<Label extends string>(labels: readonly Label[]): Record<Label, number> {
  return Object.fromEntries(labels.map((label) => [label, 0])) as Record<Label, number>;
}

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

function labelled(
  registry: Registry,
  name: string,
  help: string,
  label: string,
  values: Readonly<Record<string, number>>,
): void {
  new Counter({
    name,
    help,
    labelNames: [label],
    registers: [registry],
    collect() {
      this.reset();
      for (const [value, count] of Object.entries(values)) this.inc({ [label]: value }, count);
    },
  });
}

function gauge(registry: Registry, name: string, help: string, value: () => number): void {
  new Gauge({
    name,
    help,
    registers: [registry],
    collect() {
      this.set(value());
    },
  });
}

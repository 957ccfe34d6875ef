/**
 * All receivers of a run with their ledgers, in a process that no fault touches. Made and told how to behave by
 * `run-chaos.ts`; ends with its parent.
 */
import { answerParent } from './child.ts';
import { DrainLedger, type DrainSnapshot } from './drain-ledger.ts';
import { HttpsDoor, type DoorParts } from './https-door.ts';
import { Lines } from './line.ts';
import { noHits, type ModeHits, type ReceiverMode } from './receiver-mode.ts';
import { SyslogDoor } from './syslog-door.ts';

export const drainKinds = ['https', 'slow https', 'syslog'] as const;
export type DrainKind = (typeof drainKinds)[number];

export interface ReceiverOptions {
  readonly run: string;
  readonly apps: number;
  readonly sources: number;
  readonly credentials: { readonly key: string; readonly cert: string };
  /** Monotonic time of the run's start, as `process.hrtime` of any process of this machine gives it. */
  readonly startNs: bigint;
  readonly tickMs: number;
}

export interface ReceiverCalls {
  /** Listens; resolves with the ports, drain by drain. Drain `3 · app + k` is the app's k-th kind. */
  listen(options: ReceiverOptions): Promise<number[]>;
  setMode(drain: number, mode: ReceiverMode): Promise<void>;
  /** Distinct lines by drain. */
  unique(): number[];
  hits(): ModeHits;
  /** Drains that lack one of these, by app and source. */
  lacking(sequences: readonly (readonly number[])[]): number[];
  snapshot(drain: number): DrainSnapshot;
}

interface Receiver {
  readonly app: number;
  readonly ledger: DrainLedger;
  readonly door: HttpsDoor | SyslogDoor;
}

const slowAnswerMs = 250;
const receivers: Receiver[] = [];
const hits = noHits();

const calls: ReceiverCalls = {
  async listen(options) {
    const lines = new Lines(options.run);
    const tick = (): number =>
      Number(process.hrtime.bigint() - options.startNs) / 1e6 / options.tickMs;
    const ports: number[] = [];
    for (let app = 0; app < options.apps; app++) {
      for (const kind of drainKinds) {
        const { sources, credentials } = options;
        const ledger = new DrainLedger(
          { drain: receivers.length, app, kind: kind === 'syslog' ? 'syslog' : 'https', sources },
          lines,
        );
        const parts: DoorParts = { credentials, ledger, hits, tick };
        const door =
          kind === 'syslog'
            ? new SyslogDoor(parts)
            : new HttpsDoor(parts, kind === 'slow https' ? slowAnswerMs : 0);
        receivers.push({ app, ledger, door });
        ports.push(await door.listen());
      }
    }
    return ports;
  },
  async setMode(drain, mode) {
    await receivers[drain]?.door.setMode(mode);
  },
  unique: () => receivers.map(({ ledger }) => ledger.unique),
  hits: () => hits,
  lacking: (sequences) =>
    receivers.flatMap(({ app, ledger }, drain) => {
      const wanted = sequences[app] ?? [];
      return wanted.every((sequence, source) => ledger.has(source, sequence)) ? [] : [drain];
    }),
  snapshot(drain) {
    const receiver = receivers[drain];
    if (!receiver) throw new RangeError(`no drain ${drain}`);
    return receiver.ledger.snapshot();
  },
};

answerParent(calls);

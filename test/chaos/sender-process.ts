/**
 * All senders of a run with their ledgers, in a process that no fault touches. Made and told what to do by
 * `run-chaos.ts`; ends with its parent.
 */
import { Lines } from './line.ts';
import { GenericSender, ShuttleSender, type LineSender, type SendCounts } from './line-sender.ts';
import { answerParent } from './child.ts';
import { Pace } from './pace.ts';
import { Random } from './random.ts';
import { SentLedger, type SentSnapshot } from './sent-ledger.ts';

export interface SenderOptions {
  readonly run: string;
  readonly seed: number;
  /** Of Spillway's public door. */
  readonly port: number;
  /** Log tokens by app. */
  readonly tokens: readonly string[];
  readonly sources: number;
  readonly linesPerSecond: number;
}

export interface SendProgress {
  readonly produced: number;
  readonly acked: number;
  /** Acknowledged lines by app. */
  readonly ackedByApp: readonly number[];
  readonly isIdle: boolean;
  readonly counts: SendCounts;
}

export interface SenderCalls {
  /** Begins to send. */
  start(options: SenderOptions): void;
  /** No more lines come up; what has come up is sent. */
  stop(): void;
  /** One line more of every source; resolves with the new sequences, by app and source. */
  probe(): number[][];
  progress(): SendProgress;
  ledgers(): SentSnapshot[];
}

interface Sending {
  readonly ledger: SentLedger;
  readonly sender: LineSender;
  readonly pace: Pace;
}

const tickMs = 25;
let all: Sending[] = [];
let apps = 0;
let startedMs = 0;
let isStopped = false;
const counts: SendCounts = { requests: 0, failed: 0, rejected: 0, surprises: {}, shuttleLost: 0 };

const calls: SenderCalls = {
  start(options) {
    const { tokens, sources } = options;
    const lines = new Lines(options.run);
    apps = tokens.length;
    const weights = new Random(options.seed, 'weights');
    const share = tokens.map(() =>
      Array.from({ length: sources }, () => weights.between(0.3, 1.7)),
    );
    const total = share.flat().reduce((sum, weight) => sum + weight, 0);
    all = tokens.flatMap((token, app) =>
      (share[app] ?? []).map((weight, source): Sending => {
        const kind = (app + source) % 2 === 0 ? 'generic' : 'shuttle';
        const ledger = new SentLedger({ app, source, kind });
        const who = {
          app,
          source,
          token,
          userAgent: kind === 'shuttle' ? 'log-shuttle/model (chaos)' : 'chaos',
          isChunked: kind === 'shuttle',
        };
        const parts = { lines, ledger, who, port: options.port, counts };
        const perSecond = (options.linesPerSecond * weight) / total;
        return {
          ledger,
          sender: kind === 'shuttle' ? new ShuttleSender(parts) : new GenericSender(parts),
          pace: new Pace(perSecond, new Random(options.seed, `pace ${app} ${source}`)),
        };
      }),
    );
    startedMs = performance.now();
    setInterval(tick, tickMs);
  },
  stop() {
    isStopped = true;
  },
  probe() {
    const nowMs = performance.now() - startedMs;
    const sequences = Array.from({ length: apps }, (): number[] => []);
    for (const { ledger, sender } of all) {
      (sequences[ledger.app] ?? [])[ledger.source] = ledger.produced;
      sender.produce(1, nowMs);
    }
    return sequences;
  },
  progress() {
    const ackedByApp = Array.from({ length: apps }, () => 0);
    for (const { ledger } of all)
      ackedByApp[ledger.app] = (ackedByApp[ledger.app] ?? 0) + ledger.acked;
    return {
      produced: all.reduce((sum, { ledger }) => sum + ledger.produced, 0),
      acked: ackedByApp.reduce((sum, acked) => sum + acked, 0),
      ackedByApp,
      isIdle: all.every(({ sender }) => sender.isIdle),
      counts,
    };
  },
  ledgers: () => all.map(({ ledger }) => ledger.snapshot()),
};

function tick(): void {
  const nowMs = performance.now() - startedMs;
  for (const { sender, pace } of all) sender.produce(isStopped ? 0 : pace.due(nowMs), nowMs);
}

answerParent(calls);

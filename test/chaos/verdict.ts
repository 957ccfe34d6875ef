import type { DrainSnapshot, Repeat } from './drain-ledger.ts';
import { NumberSet, type SentSnapshot } from './sent-ledger.ts';
import type { ProcessFault } from './scenario.ts';

/** A fault as it really was, in ticks of the run. */
export interface PastFault {
  readonly kind: ProcessFault | 'receiver';
  readonly startTick: number;
  /** When it was over: the process ready again, the receiver well. */
  readonly endTick: number;
  /** When SIGKILL was sent, to a fraction of a tick; undefined for all other faults. */
  readonly killedTick?: number | undefined;
  /** The receiver's drain; undefined for faults of the process, which concern all. */
  readonly drain: number | undefined;
}

/** What the whole run came to. */
export interface Evidence {
  readonly tickMs: number;
  readonly sent: readonly SentSnapshot[];
  readonly drains: readonly DrainSnapshot[];
  readonly faults: readonly PastFault[];
  /** Lines that a 2xx said were not stored, and answers that no sender expects. */
  readonly rejected: number;
  readonly surprises: number;
  readonly imbalanceMax: number;
  /** Lines that Spillway says retention took, where all of its lives could be asked to the end. */
  readonly lostSaid: number | undefined;
  readonly complaints: number;
  /** Until a fresh line of every source had reached every drain; undefined when one did not. */
  readonly livenessMs: number | undefined;
  readonly coverage: readonly {
    readonly name: string;
    readonly found: number;
    readonly wanted: number;
  }[];
}

export interface VerdictLimits {
  readonly repeatedMax: number;
  readonly livenessMsMax: number;
}

export type CheckName =
  | 'loss'
  | 'duplicates'
  | 'order'
  | 'spurious'
  | 'conservation'
  | 'liveness'
  | 'process'
  | 'coverage';

/** One row of the table. */
export interface Check {
  readonly check: CheckName;
  readonly what: string;
  readonly found: string;
  readonly wanted: string;
  readonly ok: boolean;
}

/** An obligation that is not at a receiver. */
export interface MissingLine {
  readonly drain: number;
  readonly app: number;
  readonly source: number;
  readonly sequence: number;
}

export interface Verdict {
  readonly result: 'passed' | 'failed' | 'invalid';
  readonly checks: readonly Check[];
  readonly missing: readonly MissingLine[];
}

/** Faults explain duplicates for a minute; what they explain more narrowly is said where it is used. */
const faultMs = 60_000;
/** A stream's two unconfirmed seconds, the half seconds in which that is looked at, and a busy machine. */
const streamWindowMs = 4_000;
/** Checkpoints are fsynced every second. */
const powerCutWindowMs = 2_500;

export function judge(evidence: Evidence, limits: VerdictLimits): Verdict {
  const missing = missingLines(evidence);
  const checks = [
    ...lossChecks(evidence, missing),
    ...duplicateChecks(evidence, limits),
    ...orderChecks(evidence),
    ...spuriousChecks(evidence),
    ...conservationChecks(evidence, missing),
    livenessCheck(evidence, limits),
    count('process', 'ends and exit codes that nobody asked for', evidence.complaints),
    ...coverageChecks(evidence),
  ];
  const isFailed = checks.some(({ ok, check }) => !ok && check !== 'coverage');
  const isInvalid = checks.some(({ ok, check }) => !ok && check === 'coverage');
  return { result: isFailed ? 'failed' : isInvalid ? 'invalid' : 'passed', checks, missing };
}

/** Acknowledged, and not at the receiver of a drain of the app. */
function missingLines({ sent, drains }: Pick<Evidence, 'sent' | 'drains'>): MissingLine[] {
  const missing: MissingLine[] = [];
  for (const { app, source, produced, acked: bits } of sent) {
    const acked = new NumberSet(bits);
    for (const { drain, counts } of drains.filter((one) => one.app === app)) {
      const arrived = counts[source] ?? new Uint8Array();
      for (let sequence = 0; sequence < produced; sequence++) {
        if (acked.has(sequence) && (arrived[sequence] ?? 0) === 0) {
          missing.push({ drain, app, source, sequence });
        }
      }
    }
  }
  return missing;
}

/** What was announced as lost is not a broken promise; whether the announcement is exact is another check. */
function lossChecks(evidence: Evidence, missing: readonly MissingLine[]): Check[] {
  let silent = 0;
  for (const { announced, gone } of appLosses(evidence, missing)) {
    silent += Math.max(0, gone - announced);
  }
  const obligations = sum(evidence.sent, ({ acked }) => new NumberSet(acked).size);
  return [
    count('loss', `acknowledged lines lost, of ${format(obligations)}, at any drain`, silent),
  ];
}

function duplicateChecks(evidence: Evidence, { repeatedMax }: VerdictLimits): Check[] {
  const tally: DuplicateTally = {
    https: 0,
    recognised: 0,
    late: 0,
    unrecognised: 0,
    cut: 0,
    dead: 0,
    stream: 0,
    early: 0,
  };
  for (const drain of evidence.drains) tallyDuplicates(drain, evidence, tally);
  const part = tally.https === 0 ? 0 : tally.recognised / tally.https;
  return [
    {
      check: 'duplicates',
      what: 'https: repeated under their Frame-Id',
      found: `${(part * 100).toFixed(4)} %`,
      wanted: `< ${repeatedMax * 100} %`,
      ok: part < repeatedMax || tally.recognised === 0,
    },
    count('duplicates', 'https: more than 60 s from a fault', tally.late),
    count('duplicates', 'https: not recognisable by Frame-Id', tally.unrecognised),
    info('duplicates', 'https: answered between SIGKILL and the end of the process', tally.dead),
    info('duplicates', 'https: by power cuts, whose last second of cursors is gone', tally.cut),
    info(
      'duplicates',
      'https: because the receiver swallowed its answer',
      sum(evidence.drains, ({ repeatedOwnFault }) => repeatedOwnFault),
    ),
    count('duplicates', 'syslog: beyond 2 s of traffic for each fault', tally.early),
    info('duplicates', 'syslog: within them', tally.stream),
  ];
}

/** Lines, by why they came again. */
type DuplicateTally = Record<
  'https' | 'recognised' | 'late' | 'unrecognised' | 'cut' | 'dead' | 'stream' | 'early',
  number
>;

function tallyDuplicates(
  drain: DrainSnapshot,
  { faults, tickMs }: Evidence,
  tally: DuplicateTally,
): void {
  const near = faults.filter((fault) => fault.drain === undefined || fault.drain === drain.drain);
  const cuts = near.filter(({ kind }) => kind === 'power cut' || kind === 'disk error');
  const ticks = (ms: number): number => Math.ceil(ms / tickMs) + 1;
  const isLate = ({ againTick }: Repeat): boolean =>
    !near.some((f) => againTick >= f.startTick && againTick <= f.endTick + ticks(faultMs));
  const isExplained = (
    { firstTick, againTick }: Repeat,
    by: readonly PastFault[],
    ms: number,
  ): boolean =>
    by.some(
      (f) =>
        againTick >= f.startTick &&
        firstTick >= f.startTick - ticks(ms) &&
        firstTick <= f.endTick + ticks(ms),
    );
  // Only what came before the cut can come again because of it.
  const isOfCut = (repeat: Repeat): boolean =>
    cuts.some(
      (f) => repeat.firstTick <= f.startTick + 1 && isExplained(repeat, [f], powerCutWindowMs),
    );
  // Its sockets stay open until the kernel has taken all of it apart: nobody reads what is answered meanwhile.
  const isOfDeath = ({ firstTick }: Repeat): boolean =>
    near.some(
      ({ killedTick, startTick }) =>
        killedTick !== undefined && firstTick >= killedTick && firstTick <= startTick + 1,
    );
  if (drain.kind === 'https') {
    tally.https += drain.unique;
    for (const repeat of drain.repeatedBatches) {
      if (isOfCut(repeat)) tally.cut += repeat.lines;
      else if (isOfDeath(repeat)) tally.dead += repeat.lines;
      else tally.recognised += repeat.lines;
      if (isLate(repeat)) tally.late += repeat.lines;
    }
    for (const repeat of drain.repeats) {
      if (isOfCut(repeat)) tally.cut += repeat.lines;
      else tally.unrecognised += repeat.lines;
      if (isLate(repeat)) tally.late += repeat.lines;
    }
    return;
  }
  for (const repeat of drain.repeats) {
    const ms = streamWindowMs;
    if (isExplained(repeat, near, ms) || isExplained(repeat, cuts, ms + powerCutWindowMs)) {
      tally.stream += repeat.lines;
    } else tally.early += repeat.lines;
  }
}

/**
 * Lines come in the order in which they were accepted. What a sender gave up may be accepted after its next lines;
 * such a line is late, and nobody's promise.
 */
function orderChecks({ sent, drains }: Evidence): Check[] {
  const acked = new Map(sent.map((one) => [`${one.app} ${one.source}`, new NumberSet(one.acked)]));
  let late = 0;
  let givenUp = 0;
  for (const { app, outOfOrder } of drains) {
    for (const { source, sequence } of outOfOrder) {
      if (acked.get(`${app} ${source}`)?.has(sequence) === true) late++;
      else givenUp++;
    }
  }
  return [
    count('order', 'acknowledged lines after a later one', late),
    info('order', 'lines that their sender had given up, after a later one', givenUp),
  ];
}

function spuriousChecks({ sent, drains, rejected, surprises }: Evidence): Check[] {
  const faults = new Map<string, number>();
  for (const drain of drains) {
    for (const [what, times] of drain.faults) faults.set(what, (faults.get(what) ?? 0) + times);
  }
  let invented = 0;
  for (const { app, source, sent: bits } of sent) {
    const known = new NumberSet(bits);
    for (const { counts } of drains.filter((drain) => drain.app === app)) {
      (counts[source] ?? new Uint8Array()).forEach((times, sequence) => {
        if (times > 0 && !known.has(sequence)) invented++;
      });
    }
  }
  const found = [...faults].map(([what, times]) => `${what}: ${times}`);
  return [
    {
      check: 'spurious',
      what: 'of another app, changed, or malformed',
      found: found.length === 0 ? '0' : found.join('; '),
      wanted: '0',
      ok: found.length === 0,
    },
    count('spurious', 'never sent', invented),
    count('spurious', 'good lines rejected at ingest', rejected),
    count('spurious', 'statuses that no sender should see', surprises),
  ];
}

interface AppLoss {
  /** For each of the app's drains: the lines that L10 told it of, and its own missing obligations. */
  readonly drains: readonly { readonly told: number; readonly missing: number }[];
  /** The most that a drain was told. */
  readonly announced: number;
  /** Obligations missing, over the app's drains. */
  readonly gone: number;
  /** What may be lost without being an obligation: unacknowledged lines, and notices. */
  readonly slack: number;
}

/**
 * A drain is told its own loss, and sees in the app's stream those of the others: what one is told is what all
 * have lost. A drain that has lost a notice with other lines knows less, but its own loss it knows.
 */
function appLosses({ sent, drains }: Evidence, missing: readonly MissingLine[]): AppLoss[] {
  const apps = [...new Set(sent.map(({ app }) => app))];
  return apps.map((app) => {
    const own = drains
      .filter((drain) => drain.app === app)
      .map(({ drain, announced, notices }) => ({
        told: announced,
        notices,
        missing: missing.filter((line) => line.drain === drain).length,
      }));
    const unsure = sum(
      sent.filter((one) => one.app === app),
      (one) => new NumberSet(one.sent).size - new NumberSet(one.acked).size,
    );
    const notices = Math.max(0, ...own.map((drain) => drain.notices));
    return {
      drains: own,
      announced: Math.max(0, ...own.map(({ told }) => told)),
      gone: sum(own, (drain) => drain.missing),
      slack: (unsure + notices) * own.length,
    };
  });
}

function conservationChecks(evidence: Evidence, missing: readonly MissingLine[]): Check[] {
  const losses = appLosses(evidence, missing);
  const unequal = losses
    .filter(
      ({ drains, announced, gone, slack }) =>
        announced < gone ||
        announced > gone + slack ||
        drains.some((drain) => drain.told < drain.missing),
    )
    .map(({ drains }) => drains.map(({ told, missing: own }) => `${told} : ${own}`).join(', '));
  const announced = sum(losses, (loss) => loss.announced);
  const gone = sum(losses, (loss) => loss.gone);
  const rows = [
    count('conservation', 'imbalance of the books, at most, at any time', evidence.imbalanceMax),
    {
      check: 'conservation' as const,
      what: 'announced as lost (L10) : missing, for each app and drain',
      found: unequal.length === 0 ? `${format(announced)} : ${format(gone)}` : unequal.join('; '),
      wanted: 'equal',
      ok: unequal.length === 0,
    },
  ];
  const { lostSaid } = evidence;
  if (lostSaid === undefined) return rows;
  return [
    ...rows,
    {
      check: 'conservation' as const,
      what: 'lost, by the metric : announced',
      found: `${format(lostSaid)} : ${format(announced)}`,
      wanted: 'equal',
      ok: lostSaid === announced,
    },
  ];
}

function livenessCheck({ livenessMs }: Evidence, { livenessMsMax }: VerdictLimits): Check {
  return {
    check: 'liveness',
    what: 'a fresh line of every source at every drain, after the faults',
    found: livenessMs === undefined ? 'never' : `${(livenessMs / 1000).toFixed(1)} s`,
    wanted: `≤ ${livenessMsMax / 1000} s`,
    ok: livenessMs !== undefined && livenessMs <= livenessMsMax,
  };
}

function coverageChecks({ coverage }: Evidence): Check[] {
  return coverage.map(({ name, found, wanted }) => ({
    check: 'coverage',
    what: name,
    found: format(found),
    wanted: `≥ ${format(wanted)}`,
    ok: found >= wanted,
  }));
}

function count(check: CheckName, what: string, found: number): Check {
  return { check, what, found: format(found), wanted: '0', ok: found === 0 };
}

function info(check: CheckName, what: string, found: number): Check {
  return { check, what, found: format(found), wanted: '', ok: true };
}

function sum<T>(items: readonly T[], value: (item: T) => number): number {
  return items.reduce((total, item) => total + value(item), 0);
}

function format(value: number): string {
  return value.toLocaleString('en');
}

/** What a run does, all of it; what is chance in it comes from the seed. */
export interface Scenario {
  readonly name: string;
  readonly seed: number;
  readonly apps: number;
  readonly sources: number;
  /** At least so many lines, in about so many seconds of load. */
  readonly lines: number;
  readonly linesPerSecond: number;
  /** Load without any fault, at first: whatever goes wrong there has no excuse. */
  readonly calmMs: number;
  /** Then faults of receivers only, so that a time-out can be reached between two kills. */
  readonly receiverFaultsOnlyMs: number;
  /** At least so many `kill -9` that hit a Spillway under load. */
  readonly kills: number;
  /** Between being ready and the next fault of the process. */
  readonly killEveryMs: readonly [min: number, max: number];
  /** Beside the kills, each once after the first of them and then with {@link otherChance}. */
  readonly otherFaults: readonly ProcessFault[];
  /** How many receivers misbehave at a time; 0 for none. */
  readonly receiverVictims: number;
  /** Reasons of failed attempts (`spillway_drain_failures_total`) that must have been met. */
  readonly reasonsNeeded: readonly string[];
  /** Lines repeated under a known Frame-Id, as a part of all that https drains got. */
  readonly repeatedMax: number;
  readonly env: Readonly<Record<string, string>>;
  /** Retention is to overtake the first drain of each app: it is down from the calm to the end of the load. */
  readonly isOverrun: boolean;
  readonly quietMsMax: number;
  readonly tickMs: number;
}

export type ProcessFault = 'kill' | 'stop' | 'pause' | 'power cut' | 'disk full' | 'disk error';

const kept = { SPILLWAY_RETENTION_BYTES: '20GiB' } as const;

const base: Scenario = {
  name: 'smoke',
  seed: 1,
  apps: 3,
  sources: 2,
  lines: 9_000,
  linesPerSecond: 700,
  calmMs: 3_000,
  receiverFaultsOnlyMs: 0,
  kills: 1,
  killEveryMs: [3_000, 4_000],
  otherFaults: [],
  receiverVictims: 2,
  reasonsNeeded: [],
  repeatedMax: 0.1,
  env: kept,
  isOverrun: false,
  quietMsMax: 60_000,
  tickMs: 100,
};

const nightly: Scenario = {
  ...base,
  name: 'nightly',
  apps: 20,
  sources: 5,
  lines: 3_000_000,
  linesPerSecond: 2_300,
  calmMs: 15_000,
  receiverFaultsOnlyMs: 60_000,
  kills: 100,
  killEveryMs: [5_000, 15_000],
  otherFaults: ['stop', 'pause', 'power cut', 'disk full', 'disk error'],
  receiverVictims: 8,
  reasonsNeeded: ['connect', 'closed', 'timeout', 'http_5xx', 'http_429'],
  repeatedMax: 0.001,
  quietMsMax: 180_000,
};

/** One kill cycle; a long night; a night and a day. `bugs` and `overrun` are what seeded bugs are looked for with. */
export const scenarios = {
  smoke: base,
  nightly,
  soak: {
    ...nightly,
    name: 'soak',
    lines: 28_800_000,
    linesPerSecond: 1_000,
    kills: 1_000,
    killEveryMs: [10_000, 40_000],
    tickMs: 1_000,
  },
  bugs: {
    ...base,
    name: 'bugs',
    apps: 2,
    lines: 20_000,
    linesPerSecond: 1_500,
    calmMs: 5_000,
    kills: 1,
    killEveryMs: [1_500, 2_500],
    otherFaults: ['power cut', 'stop'],
    receiverVictims: 2,
    quietMsMax: 30_000,
  },
  overrun: {
    ...base,
    name: 'overrun',
    apps: 1,
    sources: 4,
    // More than a drain's queue and retention hold, and no more than the slow receiver takes.
    lines: 34_000,
    linesPerSecond: 1_300,
    kills: 0,
    receiverVictims: 0,
    env: { SPILLWAY_RETENTION_BYTES: '2MiB', SPILLWAY_SEGMENT_BYTES: '1MiB' },
    isOverrun: true,
    quietMsMax: 30_000,
  },
} as const satisfies Record<string, Scenario>;
export type ScenarioName = keyof typeof scenarios;

/** A run goes on for so long at most until every receiver's mode has been met. */
export const meetMsMax = 30_000;

/** Smaller or larger than the tier: fewer lines or kills at the same rates. */
export function scaled(
  scenario: Scenario,
  by: { lines?: number; kills?: number; seed?: number },
): Scenario {
  const kills = by.kills ?? scenario.kills;
  const lines = by.lines ?? scenario.lines;
  // Load and kills are to end together: a kill of an idle process proves little.
  const [min, max] = scenario.killEveryMs;
  const faultMs =
    kills * ((min + max) / 2 + restartMs) * (1 + scenario.otherFaults.length * otherChance);
  const loadMs = scenario.calmMs + scenario.receiverFaultsOnlyMs + faultMs;
  const isAsGiven = kills === scenario.kills && lines === scenario.lines;
  const linesPerSecond = isAsGiven ? scenario.linesPerSecond : (lines / loadMs) * 1000;
  return { ...scenario, seed: by.seed ?? scenario.seed, lines, kills, linesPerSecond };
}

const restartMs = 1_500;
/** Of each other fault, after a kill. */
export const otherChance = 0.03;

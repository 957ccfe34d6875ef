import { expect, test } from 'vitest';
import type { DrainSnapshot } from './drain-ledger.ts';
import { SentLedger } from './sent-ledger.ts';
import { judge, type Evidence, type Verdict } from './verdict.ts';

const limits = { repeatedMax: 0.001, livenessMsMax: 5_000 };

/** A run of one app with one source of ten lines and one drain, in which all went well. */
function evidence(
  change: Partial<Evidence> = {},
  drain: Partial<DrainSnapshot> = {},
  acked = 10,
): Evidence {
  const sent = new SentLedger({ app: 0, source: 0, kind: 'generic' });
  sent.produced = 10;
  sent.sending(0, 10);
  sent.acknowledged(0, acked);
  return {
    tickMs: 100,
    sent: [sent.snapshot()],
    drains: [
      {
        drain: 0,
        app: 0,
        kind: 'https',
        counts: [new Uint8Array(10).fill(1)],
        unique: 10,
        repeatedBatches: [],
        repeatedOwnFault: 0,
        repeats: [],
        outOfOrder: [],
        faults: [],
        announced: 0,
        notices: 0,
        ...drain,
      },
    ],
    faults: [{ kind: 'kill', startTick: 1000, endTick: 1020, drain: undefined }],
    rejected: 0,
    surprises: 0,
    imbalanceMax: 0,
    lostSaid: undefined,
    complaints: 0,
    livenessMs: 900,
    coverage: [{ name: 'kills', found: 1, wanted: 1 }],
    ...change,
  };
}

function failures({ checks }: Verdict): string[] {
  return checks.filter(({ ok }) => !ok).map(({ check, what }) => `${check}: ${what}`);
}

function countsWithout(...missing: number[]): Uint8Array[] {
  const counts = new Uint8Array(10).fill(1);
  for (const n of missing) counts[n] = 0;
  return [counts];
}

test('a run in which all went well passes', () => {
  expect(judge(evidence(), limits)).toMatchObject({ result: 'passed', missing: [] });
});

test('an acknowledged line that is nowhere is a loss, and is named', () => {
  const verdict = judge(evidence({}, { counts: countsWithout(4), unique: 9 }), limits);
  expect(verdict.result).toBe('failed');
  expect(verdict.missing).toEqual([{ drain: 0, app: 0, source: 0, sequence: 4 }]);
  expect(failures(verdict)).toContainEqual(expect.stringMatching(/^loss/));
});

test('a batch that was answered when the process had been killed is not its fault; one before that is', () => {
  const faults = [
    { kind: 'kill' as const, startTick: 1000, killedTick: 999.5, endTick: 1020, drain: undefined },
  ];
  const answeredAt = (firstTick: number): string[] => {
    const repeatedBatches = [{ firstTick, againTick: 1010.2, lines: 5 }];
    return failures(judge(evidence({ faults }, { repeatedBatches }), limits));
  };
  expect(answeredAt(999.6)).toEqual([]);
  expect(answeredAt(1000.4)).toEqual([]);
  for (const other of [999.4, 1001.5]) {
    expect(answeredAt(other)).toEqual(['duplicates: https: repeated under their Frame-Id']);
  }
});

test('a line that was sent and not acknowledged may be missing, and may be there', () => {
  expect(judge(evidence({}, { counts: countsWithout(9) }, 9), limits).result).toBe('passed');
  expect(judge(evidence({}, {}, 9), limits).result).toBe('passed');
});

test('lines that L10 announced exactly are no silent loss; a wrong count is one too many or too few', () => {
  const counts = countsWithout(4, 5);
  expect(judge(evidence({}, { counts, announced: 2 }), limits).result).toBe('passed');
  expect(failures(judge(evidence({}, { counts, announced: 1 }), limits))).toEqual([
    expect.stringMatching(/^loss/),
    expect.stringMatching(/^conservation/),
  ]);
  expect(failures(judge(evidence({}, { counts, announced: 3 }), limits))).toEqual([
    expect.stringMatching(/^conservation/),
  ]);
});

test('what L10 announces and the metric must agree', () => {
  const counts = countsWithout(4, 5);
  const drain = { counts, announced: 2 };
  expect(judge(evidence({ lostSaid: 2 }, drain), limits).result).toBe('passed');
  expect(judge(evidence({ lostSaid: 3 }, drain), limits).result).toBe('failed');
});

test('a batch repeated under its Frame-Id is fine within a minute of a fault only, and only rarely', () => {
  const repeated = (againTick: number): Evidence =>
    evidence({}, { unique: 10_000, repeatedBatches: [{ firstTick: 999, againTick, lines: 5 }] });
  expect(judge(repeated(1030), limits).result).toBe('passed');
  expect(failures(judge(repeated(1700), limits))).toEqual([
    'duplicates: https: more than 60 s from a fault',
  ]);
  expect(judge(repeated(500), limits).result).toBe('failed');
  const often = { unique: 4_000, repeatedBatches: [{ firstTick: 999, againTick: 1030, lines: 5 }] };
  expect(failures(judge(evidence({}, often), limits))).toEqual([
    'duplicates: https: repeated under their Frame-Id',
  ]);
});

test('https duplicates that no Frame-Id tells are excused by a power cut alone, for its last second', () => {
  const repeats = [{ firstTick: 990, againTick: 1030, lines: 1 }];
  expect(judge(evidence({}, { repeats }), limits).result).toBe('failed');
  const faults = [{ kind: 'power cut', startTick: 1000, endTick: 1020, drain: undefined }] as const;
  expect(judge(evidence({ faults }, { repeats }), limits).result).toBe('passed');
  for (const firstTick of [900, 1010]) {
    const other = [{ firstTick, againTick: 1030, lines: 1 }];
    expect(judge(evidence({ faults }, { repeats: other }), limits).result).toBe('failed');
  }
});

test("a stream repeats what it had under way at a fault of its own or of the process, nothing older, nobody else's", () => {
  const stream = (firstTick: number, drain?: number): Evidence =>
    evidence(
      { faults: [{ kind: 'receiver', startTick: 1000, endTick: 1020, drain }] },
      { kind: 'syslog', repeats: [{ firstTick, againTick: 1030, lines: 1 }] },
    );
  expect(judge(stream(980, 0), limits).result).toBe('passed');
  expect(judge(stream(900, 0), limits).result).toBe('failed');
  expect(judge(stream(980, 1), limits).result).toBe('failed');
});

test.each([
  ['order', evidence({}, { outOfOrder: [{ source: 0, sequence: 9 }] })],
  ['spurious', evidence({}, { faults: [['a line with wrong crc', 1]] })],
  ['spurious', evidence({}, { counts: [new Uint8Array(12).fill(1)] })],
  ['spurious', evidence({ rejected: 1 })],
  ['conservation', evidence({ imbalanceMax: 1 })],
  ['conservation', evidence({ imbalanceMax: Number.NaN })],
  ['liveness', evidence({ livenessMs: undefined })],
  ['liveness', evidence({ livenessMs: 5_001 })],
  ['process', evidence({ complaints: 1 })],
])('%s is judged', (check, found) => {
  const verdict = judge(found, limits);
  expect(verdict.result).toBe('failed');
  expect(failures(verdict)).toEqual([expect.stringMatching(`^${check}`)]);
});

test('a line that its sender gave up may come late', () => {
  const outOfOrder = [{ source: 0, sequence: 9 }];
  expect(judge(evidence({}, { outOfOrder }, 9), limits).result).toBe('passed');
});

test('what the last second before a power cut repeats is not in the share of repeated lines', () => {
  const faults = [{ kind: 'power cut', startTick: 1000, endTick: 1020, drain: undefined }] as const;
  const repeatedBatches = [{ firstTick: 990, againTick: 1030, lines: 5 }];
  expect(judge(evidence({ faults }, { repeatedBatches }), limits).result).toBe('passed');
});

test('a run whose faults did not happen is invalid, not green; a failure in it is a failure', () => {
  const coverage = [{ name: 'kills', found: 0, wanted: 1 }];
  expect(judge(evidence({ coverage }), limits).result).toBe('invalid');
  expect(judge(evidence({ coverage, complaints: 1 }), limits).result).toBe('failed');
});

import { expect, test } from 'vitest';
import { repeatCauses } from './repeat-causes.ts';
import type { Evidence } from './verdict.ts';

test('names the last fault that began before lines came again, of the process or of their receiver', () => {
  const fault = { endTick: 0, drain: undefined };
  const drain = { app: 0, counts: [], unique: 0, repeatedOwnFault: 0, outOfOrder: [], faults: [] };
  const evidence = {
    faults: [
      { ...fault, kind: 'kill', startTick: 10 },
      { ...fault, kind: 'receiver', startTick: 20, drain: 1 },
      { ...fault, kind: 'pause', startTick: 40 },
    ],
    drains: [
      {
        ...drain,
        drain: 0,
        kind: 'https',
        repeatedBatches: [
          { firstTick: 9, againTick: 30, lines: 3 },
          { firstTick: 9, againTick: 40, lines: 5 },
        ],
        repeats: [{ firstTick: 1, againTick: 2, lines: 1 }],
      },
      {
        ...drain,
        drain: 1,
        kind: 'syslog',
        repeatedBatches: [],
        repeats: [{ firstTick: 9, againTick: 30, lines: 7 }],
      },
    ],
  };
  expect(repeatCauses(evidence as unknown as Evidence)).toEqual([
    ['https: repeats after', 'pause 5, kill 3, nothing 1'],
    ['syslog: repeats after', 'receiver 7'],
  ]);
});

import { expect, test } from 'vitest';
import { processFaults, receiverFaults, type PlannedReceiverFault } from './fault-plan.ts';
import { Pace } from './pace.ts';
import { Random } from './random.ts';
import { faultModes } from './receiver-mode.ts';
import { scaled, scenarios, type Scenario } from './scenario.ts';

function firstReceiverFaults(scenario: Scenario, count: number): PlannedReceiverFault[] {
  const found: PlannedReceiverFault[] = [];
  for (const fault of receiverFaults(scenario)) if (found.push(fault) === count) break;
  return found;
}

test('one seed is one plan, another seed another', () => {
  const plan = (seed: number): unknown => {
    const scenario = { ...scenarios.nightly, seed };
    return [[...processFaults(scenario)], firstReceiverFaults(scenario, 50)];
  };
  expect(plan(1)).toEqual(plan(1));
  expect(plan(1)).not.toEqual(plan(2));
});

test('a night has its kills, everything else beside them, and ends with a kill or what a kill brings along', () => {
  const faults = [...processFaults(scenarios.nightly)];
  expect(faults.filter(({ kind }) => kind === 'kill')).toHaveLength(100);
  expect(new Set(faults.map(({ kind }) => kind)).size).toBe(6);
  for (const { afterMs } of faults) {
    expect(afterMs).toBeGreaterThanOrEqual(5_000);
    expect(afterMs).toBeLessThanOrEqual(15_000);
  }
});

test('receivers go through every mode first', () => {
  const modes = firstReceiverFaults(scenarios.smoke, faultModes.length).map(({ mode }) => mode);
  expect(modes).toEqual(faultModes);
  expect(firstReceiverFaults(scenarios.overrun, 1)).toEqual([]);
});

test('fewer lines and kills are spread over the time that the kills take', () => {
  const { linesPerSecond, kills } = scaled(scenarios.nightly, { lines: 200_000, kills: 10 });
  expect(kills).toBe(10);
  expect(linesPerSecond).toBeGreaterThan(500);
  expect(linesPerSecond).toBeLessThan(2_500);
  expect(scaled(scenarios.nightly, { seed: 3 }).linesPerSecond).toBe(
    scenarios.nightly.linesPerSecond,
  );
});

test('a source has as many lines as its rate says, however often it is asked', () => {
  const seldom = new Pace(100, new Random(1));
  const often = new Pace(100, new Random(1));
  let sum = 0;
  for (let ms = 10; ms <= 600_000; ms += 10) sum += often.due(ms);
  expect(Math.abs(sum - seldom.due(600_000))).toBeLessThanOrEqual(1);
  expect(sum).toBeGreaterThan(50_000);
  expect(sum).toBeLessThan(70_000);
});

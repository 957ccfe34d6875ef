import { expect, test } from 'vitest';
import {
  newsOf,
  readTold,
  toldAfter,
  type DrainStanding,
  type Told,
} from '../../../src/drains/events/drain-standing.ts';

const dayMs = 86_400_000;
const nothing: DrainStanding = {
  isHeld: false,
  isDisabled: false,
  isWell: false,
  failingForMs: 0,
};
const well = { ...nothing, isWell: true };
const held = { ...nothing, isHeld: true };

/** What is told while a drain goes through these. */
function tale(standings: readonly DrainStanding[], told: Told = []): (string | undefined)[] {
  let known = told;
  return standings.map((standing) => {
    const news = newsOf(known, standing, dayMs);
    if (news) known = toldAfter(known, news);
    return news;
  });
}

test('each thing is told once until the drain has recovered, and then anew', () => {
  const failing = { ...held, failingForMs: dayMs };
  const disabled = { ...nothing, isDisabled: true, failingForMs: 5 * dayMs };
  expect(tale([well, held, held, failing, failing, disabled, disabled, well, well, held])).toEqual([
    undefined,
    'held',
    undefined,
    'failing',
    undefined,
    'disabled',
    undefined,
    'recovered',
    undefined,
    'held',
  ]);
});

test('a drain that fails for less than a day, or has done nothing yet, is no news', () => {
  const failing = { ...nothing, failingForMs: dayMs - 1 };
  expect(tale([nothing, failing, well])).toEqual([undefined, undefined, undefined]);
});

test('after a restart nothing has recovered before an attempt has gone well', () => {
  expect(tale([nothing, held, well], ['held'])).toEqual([undefined, undefined, 'recovered']);
});

test('a checkpoint that says something else is not believed', () => {
  expect(readTold(['held', 'nonsense', 7])).toEqual(['held']);
  for (const value of [undefined, null, 'held', { held: true }]) {
    expect(readTold(value)).toEqual([]);
  }
});

import type { DrainEventKind } from './drain-event.ts';

/** What of a drain's condition is worth telling. */
export interface DrainStanding {
  readonly isHeld: boolean;
  readonly isDisabled: boolean;
  /** The last attempt of this process went well. */
  readonly isWell: boolean;
  /** For how long there was nothing but failed attempts. */
  readonly failingForMs: number;
}

/** What has been told since the drain was last well: each kind once, until it has recovered. */
export type Told = readonly Exclude<DrainEventKind, 'recovered'>[];

/** What is to be told now; undefined when there is nothing new. */
export function newsOf(
  told: Told,
  standing: DrainStanding,
  failingMs: number,
): DrainEventKind | undefined {
  if (standing.isDisabled) return told.includes('disabled') ? undefined : 'disabled';
  if (standing.isWell) return told.length > 0 ? 'recovered' : undefined;
  if (standing.failingForMs >= failingMs && !told.includes('failing')) return 'failing';
  return standing.isHeld && !told.includes('held') ? 'held' : undefined;
}

export function toldAfter(told: Told, news: DrainEventKind): Told {
  return news === 'recovered' ? [] : [...told, news];
}

/** What a checkpoint has of it. */
export function readTold(value: unknown): Told {
  const kinds: Told = ['held', 'failing', 'disabled'];
  return Array.isArray(value) ? kinds.filter((kind) => value.includes(kind)) : [];
}

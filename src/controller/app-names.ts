import type { Chance } from '../core/chance.ts';
import { adjectives, animals } from './app-name-words.ts';

/** Why a name cannot be an app's; undefined when it can. Expects lower case. */
export function appNameProblem(name: string): string | undefined {
  if (name.length < lengthMin || name.length > lengthMax) {
    return `The name must have ${lengthMin} to ${lengthMax} characters.`;
  }
  if (!/^[a-z0-9_-]+$/.test(name)) {
    return 'The name may have letters, digits, dashes and underscores only.';
  }
  // A leading dash would be read as an option on every command line.
  if (!/^[a-z0-9]/.test(name)) return 'The name must begin with a letter or a digit.';
  return undefined;
}

/** A name like `real-hasty-fruitbat`, to be tried again when it is taken. */
export function generatedAppName(chance: Chance): string {
  const first = pick(adjectives, chance);
  const second = pick(
    adjectives.filter((word) => word !== first),
    chance,
  );
  return `${first}-${second}-${pick(animals, chance)}`;
}

function pick(words: readonly string[], chance: Chance): string {
  return words[Math.floor(chance.fraction() * words.length)] ?? words[0] ?? 'app';
}

const lengthMin = 2;
// RFC 5424 §6: containers send the name as APP-NAME, which has at most 48 characters.
const lengthMax = 48;

import { optionRules } from './option-rules.ts';

/** Stored options as people may see them: of those that hold secrets only that they are there. */
export function shownOptions(
  stored: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  return Object.fromEntries(
    Object.entries(stored).map(([name, value]) => [name, shown(name, value)]),
  );
}

/** Names of the options that somebody sends back as they were shown to him. */
export function maskedNames(given: Readonly<Record<string, unknown>>): readonly string[] {
  return Object.entries(given).flatMap(([name, value]) => (isMasked(value) ? [name] : []));
}

function isMasked(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return value === mask;
  return Object.values(value).includes(mask);
}

const mask = '***';

function shown(name: string, value: unknown): unknown {
  // An option that this version does not know might hold anything.
  const rule = optionRules.get(name);
  if (rule && rule.isSecret !== true) return value;
  if (name !== 'headers' || typeof value !== 'object' || value === null) return mask;
  return Object.fromEntries(Object.keys(value).map((header) => [header, mask]));
}

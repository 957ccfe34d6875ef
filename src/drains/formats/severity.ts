/** Severities of syslog by number (RFC 5424 §6.2.1), in the words of syslog.conf. */
export const severityWords = [
  'emerg',
  'alert',
  'crit',
  'err',
  'warning',
  'notice',
  'info',
  'debug',
] as const;

/** A severity by its word, by a word that others use for it, or by its number. */
export function severityOf(word: string): number | undefined {
  const known = (severityWords as readonly string[]).indexOf(otherWords.get(word) ?? word);
  if (known >= 0) return known;
  return /^[0-7]$/.test(word) ? Number(word) : undefined;
}

const otherWords: ReadonlyMap<string, string> = new Map([
  ['panic', 'emerg'],
  ['emergency', 'emerg'],
  ['critical', 'crit'],
  ['error', 'err'],
  ['warn', 'warning'],
  ['informational', 'info'],
]);

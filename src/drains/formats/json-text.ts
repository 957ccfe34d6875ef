/**
 * The members of a line that is a JSON object; undefined for any other text, and for one that is nested more deeply
 * than receivers read: serde_json stops at 128 levels, and then refuses the whole batch.
 */
export function jsonMembers(text: string): Readonly<Record<string, unknown>> | undefined {
  if (!mayBeObject(text)) return undefined;
  try {
    const value: unknown = longDigits.test(text)
      ? JSON.parse(text, exactNumber as (key: string, value: unknown) => unknown)
      : JSON.parse(text);
    return isDeeper(text, value) ? undefined : (value as Readonly<Record<string, unknown>>);
  } catch {
    return undefined;
  }
}

function mayBeObject(text: string): boolean {
  return text.trimStart().startsWith('{') && text.trimEnd().endsWith('}');
}

const depthMax = 64;

/** Most lines have too few brackets to be too deep. */
function isDeeper(text: string, value: unknown): boolean {
  let brackets = 0;
  for (let at = 0; at < text.length && brackets <= depthMax; at++) {
    const code = text.charCodeAt(at);
    if (code === 0x5b || code === 0x7b) brackets++;
  }
  return brackets > depthMax && isNested(value, depthMax);
}

function isNested(value: unknown, levels: number): boolean {
  if (typeof value !== 'object' || value === null) return false;
  return levels === 0 || Object.values(value).some((inner) => isNested(inner, levels - 1));
}

/** A number with more digits than a double has, or with an exponent that it may not have. */
const longDigits = /\d{16}|\d[eE][+-]?\d/;

/** Numbers keep the digits that their author wrote. */
function exactNumber(_key: string, value: unknown, { source }: { source?: string }): unknown {
  const isRounded = typeof value === 'number' && source !== undefined && String(value) !== source;
  return isRounded ? (JSON as unknown as RawJson).rawJSON(source) : value;
}

/** ECMAScript's `JSON.rawJSON`, which TypeScript's library does not know yet. */
interface RawJson {
  rawJSON(text: string): unknown;
}

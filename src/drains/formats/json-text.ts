/** The members of a line that is a JSON object; undefined for any other text. */
export function jsonMembers(text: string): Readonly<Record<string, unknown>> | undefined {
  if (!mayBeObject(text)) return undefined;
  try {
    const value: unknown = longDigits.test(text)
      ? JSON.parse(text, exactNumber as (key: string, value: unknown) => unknown)
      : JSON.parse(text);
    return value as Readonly<Record<string, unknown>>;
  } catch {
    return undefined;
  }
}

/** The JSON of members; undefined when they are nested too deeply for it. */
export function jsonOf(members: Readonly<Record<string, unknown>>): string | undefined {
  try {
    return JSON.stringify(members);
  } catch {
    return undefined;
  }
}

function mayBeObject(text: string): boolean {
  return text.trimStart().startsWith('{') && text.trimEnd().endsWith('}');
}

/** A number with more digits than a double has. */
const longDigits = /\d{16}/;

/** Numbers keep the digits that their author wrote. */
function exactNumber(_key: string, value: unknown, { source }: { source?: string }): unknown {
  const isRounded = typeof value === 'number' && source !== undefined && String(value) !== source;
  return isRounded ? (JSON as unknown as RawJson).rawJSON(source) : value;
}

/** ECMAScript's `JSON.rawJSON`, which TypeScript's library does not know yet. */
interface RawJson {
  rawJSON(text: string): unknown;
}

/**
 * Whether a text can stand as STRUCTURED-DATA (RFC 5424 §6.3): elements with nothing between them, no id twice,
 * `"`, `\` and `]` in values escaped. Names may be longer than the 32 characters of §6.3.2, because services put
 * their tokens there: `[<uuid>@41058 tag="app"]`.
 */
export function isStructuredData(text: string): boolean {
  if (text === '' || Buffer.byteLength(text) > bytesMax) return false;
  const ids = new Set<string>();
  const element = new RegExp(elementPattern, 'uy');
  while (element.lastIndex < text.length) {
    const id = element.exec(text)?.[1];
    if (id === undefined || ids.has(id)) return false;
    ids.add(id);
  }
  return true;
}

const bytesMax = 512;
/** SD-NAME: visible ASCII but `=`, `]` and `"`. */
const name = String.raw`[!#-<>-\\^-~]{1,256}`;
const value = String.raw`"(?:[^"\\\]\p{Cc}]|\\["\\\]])*"`;
const elementPattern = String.raw`\[(${name})(?: ${name}=${value})*\]`;

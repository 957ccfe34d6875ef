/** One reading of an `Authorization` header. */
export interface Credentials {
  readonly user: string;
  readonly password: string;
}

/**
 * The readings of a Basic header, most literal first: some clients send e-mail and secret raw, some
 * percent-encode both. Form-decoding is never one of them, as `+` is common in addresses.
 * Empty when there is no Basic header or it is not well-formed.
 */
export function basicCredentials(header: string | undefined): readonly Credentials[] {
  const match = /^basic +([A-Za-z0-9+/_-]+={0,2}) *$/i.exec(header ?? '');
  if (!match) return [];
  const text = decodeText(Buffer.from(match[1] ?? '', 'base64'));
  const colon = text.indexOf(':');
  if (colon < 0) return [];
  const raw = { user: text.slice(0, colon), password: text.slice(colon + 1) };
  const decoded = percentDecoded(raw);
  const same = !decoded || (decoded.user === raw.user && decoded.password === raw.password);
  return same ? [raw] : [raw, decoded];
}

/** RFC 7617 §2.1 asks for UTF-8; what is not UTF-8 comes from clients that send Latin-1. */
function decodeText(bytes: Buffer): string {
  try {
    return new TextDecoder('utf-8', { fatal: true, ignoreBOM: true }).decode(bytes);
  } catch {
    return bytes.toString('latin1');
  }
}

function percentDecoded(raw: Credentials): Credentials | undefined {
  try {
    return { user: decodeURIComponent(raw.user), password: decodeURIComponent(raw.password) };
  } catch {
    return undefined;
  }
}

import { Header, scanHeader } from '../../syslog/header.ts';
import { fromRfc3164 } from '../../syslog/rfc3164.ts';
import { takeSdToken } from '../../syslog/sd-token.ts';

/** A message of a syslog sender in the form in which it is stored, its token in APP-NAME or taken out. */
export interface SenderMessage {
  readonly format: 'rfc5424' | 'rfc3164';
  /** What the sender says its token is. */
  readonly token: string | undefined;
  readonly bytes: Buffer;
}

const header = new Header();
const tokenBytesMax = 255;

/** Reads both formats; undefined for what is neither. A token in STRUCTURED-DATA counts before one in APP-NAME. */
export function readSenderMessage(bytes: Buffer, nowMs: number): SenderMessage | undefined {
  if (scanHeader(bytes, 0, bytes.length, header)) {
    const found = takeSdToken(bytes, header);
    if (found) return { format: 'rfc5424', token: found.token, bytes: found.message };
    return { format: 'rfc5424', token: appNameToken(bytes), bytes };
  }
  const translated = fromRfc3164(bytes, nowMs);
  if (!translated || !scanHeader(translated, 0, translated.length, header)) return undefined;
  return { format: 'rfc3164', token: appNameToken(translated), bytes: translated };
}

/** APP-NAME, when it looks like a log token. */
function appNameToken(bytes: Buffer): string | undefined {
  const { appStart, appEnd } = header;
  const isToken = bytes[appStart] === 0x74 && bytes[appStart + 1] === 0x2e;
  if (!isToken || appEnd - appStart > tokenBytesMax) return undefined;
  return bytes.toString('latin1', appStart, appEnd);
}

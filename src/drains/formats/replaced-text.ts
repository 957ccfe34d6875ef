import type { Header } from '../../syslog/header.ts';

/**
 * A copy of the message that `header` points at, with another text and a final LF; `header` then points into the
 * copy. What was found before the text stays found: reading it again could take the new text for structured data.
 */
export function withText(message: Buffer, header: Header, text: Buffer): Buffer {
  const by = header.priStart;
  const bytes = Buffer.concat([message.subarray(by, header.messageStart), text, lineFeed]);
  header.priStart = 0;
  header.priEnd -= by;
  header.timeStart -= by;
  header.timeEnd -= by;
  header.hostStart -= by;
  header.hostEnd -= by;
  header.appStart -= by;
  header.appEnd -= by;
  header.procStart -= by;
  header.procEnd -= by;
  header.msgIdStart -= by;
  header.msgIdEnd -= by;
  header.sdStart -= by;
  header.sdEnd -= by;
  header.messageStart -= by;
  header.messageEnd = bytes.length;
  return bytes;
}

/** Where the message's text ends, without its final LF. */
export function textEnd(message: Buffer, { messageStart, messageEnd }: Header): number {
  const endsInLf = messageEnd > messageStart && message[messageEnd - 1] === 0x0a;
  return endsInLf ? messageEnd - 1 : messageEnd;
}

const lineFeed = Buffer.from('\n');

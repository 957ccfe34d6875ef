import { appName, procId, type LineId, type Lines } from './line.ts';

/** Who posts, and as whom. */
export interface SenderIdentity {
  readonly app: number;
  readonly source: number;
  readonly token: string;
  readonly userAgent: string;
  readonly isChunked: boolean;
}

/** The whole request that posts lines [from, from + count) of a source. */
export function logRequest(
  lines: Lines,
  who: SenderIdentity,
  range: { from: number; count: number },
  requestId: string,
): Buffer {
  const parts: Buffer[] = [];
  let bytes = 0;
  for (let n = range.from; n < range.from + range.count; n++) {
    const frame = frameOf(lines, { app: who.app, source: who.source, sequence: n });
    if (who.isChunked) parts.push(Buffer.from(`${frame.length.toString(16)}\r\n`, 'latin1'));
    parts.push(frame);
    if (who.isChunked) parts.push(lineEnd);
    bytes += frame.length;
  }
  if (who.isChunked) parts.push(lastChunk);
  const head =
    `POST /logs HTTP/1.1\r\nHost: 127.0.0.1\r\n` +
    `Authorization: Basic ${Buffer.from(`token:${who.token}`).toString('base64')}\r\n` +
    `Content-Type: application/logplex-1\r\nLogplex-Msg-Count: ${range.count}\r\n` +
    `X-Request-Id: ${requestId}\r\nUser-Agent: ${who.userAgent}\r\n` +
    (who.isChunked ? 'Transfer-Encoding: chunked\r\n\r\n' : `Content-Length: ${bytes}\r\n\r\n`);
  return Buffer.concat([Buffer.from(head, 'latin1'), ...parts]);
}

const lineEnd = Buffer.from('\r\n');
const lastChunk = Buffer.from('0\r\n\r\n');
const time = '2026-01-01T00:00:00.123456+00:00';

function frameOf(lines: Lines, id: LineId): Buffer {
  const text = lines.text(id);
  const header = `<190>1 ${time} pod-7f9c ${appName(id.app)} ${procId(id.source)} - - `;
  return Buffer.concat([Buffer.from(`${header.length + text.length} ${header}`, 'latin1'), text]);
}

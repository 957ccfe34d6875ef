import { appId } from '../../src/core/ids.ts';
import type { LogRecord } from '../../src/core/record.ts';

/** One octet-counted frame as log-shuttle makes it. */
export function frame(
  text: string,
  fields: { app?: string; proc?: string; host?: string } = {},
): string {
  const { app = 'demo', proc = 'web.1', host = 'pod' } = fields;
  const message = `<190>1 2026-01-01T00:00:00.000000+00:00 ${host} ${app} ${proc} - - ${text}\n`;
  return `${Buffer.byteLength(message)} ${message}`;
}

/** A record of an app with one line per text. */
export function linesRecord(
  app: number,
  texts: readonly string[],
  over: Partial<LogRecord> = {},
): LogRecord {
  return {
    kind: 'lines',
    app: appId(app),
    receivedAtMs: Date.UTC(2026, 0, 1),
    lines: texts.length,
    rejected: {},
    requestKey: undefined,
    part: 1,
    parts: 1,
    notice: undefined,
    frames: Buffer.from(texts.map((text) => frame(text)).join('')),
    ...over,
  };
}

/** The texts of octet-counted frames, without their final LF. */
export function textsOf(frames: Buffer): string[] {
  const texts: string[] = [];
  for (let at = 0; at < frames.length;) {
    const space = frames.indexOf(0x20, at);
    const end = space + 1 + Number(frames.toString('latin1', at, space));
    const message = frames.toString('utf8', space + 1, end);
    texts.push(message.slice(message.indexOf(' - - ') + 5).replace(/\n$/, ''));
    at = end;
  }
  return texts;
}

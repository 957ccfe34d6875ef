import type { EncodableLines, Encoder, LineFilter } from '../../../src/drains/formats/encoder.ts';
import { FrameBuilder } from '../../../src/drains/formats/frame-builder.ts';

export const plainText = { stripAnsi: false, stripPrefix: false, messageBytesMax: Infinity };
const receivedAtMs = Date.UTC(2026, 0, 1, 0, 0, 1, 500);

/** Messages as they are stored. */
export function stored(...messages: (string | Buffer)[]): EncodableLines & { lines: number } {
  const frames = messages.flatMap((message) => {
    const bytes = Buffer.from(message as string);
    return [Buffer.from(`${bytes.length} `), bytes];
  });
  return {
    position: { logId: '0123456789abcdef', partition: 0, offset: 7, line: 0 },
    record: { frames: Buffer.concat(frames), receivedAtMs },
    lines: messages.length,
  };
}

/** One line with this text, as log-shuttle sends it. */
export function line(text: string | Buffer, over: { pri?: number; time?: string } = {}): Buffer {
  const { pri = 190, time = '2026-01-01T00:00:00.123456+00:00' } = over;
  return Buffer.concat([
    Buffer.from(`<${pri}>1 ${time} pod demo web.1 - - `),
    Buffer.from(text as string),
    Buffer.from('\n'),
  ]);
}

/** The whole body of a batch. */
export function bodyOf(
  encoder: Encoder,
  lines: ReturnType<typeof stored>,
  keep?: LineFilter,
): { text: string; messages: number; filtered: number } {
  const out = new FrameBuilder();
  out.begin({ bytesMax: Infinity, linesMax: Infinity });
  encoder.encode(lines, 0, lines.lines, out, keep);
  encoder.finish(out);
  const { messages, filtered } = out;
  return { text: out.take().toString(), messages, filtered };
}

import type { EncodableLines, Encoder, LineFilter } from './encoder.ts';
import type { FrameBuilder } from './frame-builder.ts';
import { jsonMembers } from './json-text.ts';
import { appendText, LineReader, type LineReaderOptions, type ReadLine } from './line-reader.ts';
import { decodedText } from './line-text.ts';
import { severityWords } from './severity.ts';

/**
 * One JSON object a line: `time`, `app`, `process`, `host`, `severity`, `message`, `position`, and the members of
 * the line where it is an object itself. Of these `time`, `severity` and `message` take the place of ours, while
 * who sent the line and where it lies are not the line's to say: its own `app`, `process`, `host` and `position`
 * get an underscore before their name.
 */
export class NdjsonEncoder implements Encoder {
  readonly #reader: LineReader;

  constructor(options: LineReaderOptions) {
    this.#reader = new LineReader(options);
  }

  encode(
    stored: EncodableLines,
    fromLine: number,
    toLine: number,
    out: FrameBuilder,
    keep?: LineFilter,
  ): number {
    return this.#reader.each(stored, [fromLine, toLine], out, keep, (line) => {
      const text = objectOf(line);
      const bytes = Buffer.byteLength(text);
      if (!out.fits(bytes)) return false;
      appendText(text, bytes, out);
      out.messages++;
      return true;
    });
  }

  encodeNotice(text: string, atMs: number, out: FrameBuilder): void {
    const object = objectOf(this.#reader.notice(text, atMs));
    appendText(object, Buffer.byteLength(object), out);
    out.messages++;
  }

  finish(): void {
    // The last object ends its line as every other does.
  }
}

function objectOf(line: ReadLine): string {
  const { text, isExact } = decodedText(line.text);
  const members = isExact ? jsonMembers(text) : undefined;
  const plain = isExact ? text : { text, base64: line.text.toString('base64') };
  const fields = members
    ? { ...ownFields(line, messageOf(members, text)), ...given(members) }
    : ownFields(line, plain);
  return `${JSON.stringify(fields)}\n`;
}

function ownFields(
  line: ReadLine,
  message: string | { readonly text: string; readonly base64: string },
): Record<string, unknown> {
  return {
    time: line.time ?? new Date(line.receivedAtMs).toISOString(),
    app: line.app ?? null,
    process: line.proc ?? null,
    host: line.host ?? null,
    severity: severityWords[line.severity],
    ...(typeof message === 'string'
      ? { message }
      : { message: message.text, base64: message.base64 }),
    ...(line.position === undefined ? {} : { position: line.position }),
  };
}

/** The line's `msg` where it has no `message`; the line itself where it has neither. */
function messageOf(members: Readonly<Record<string, unknown>>, text: string): string {
  return typeof members['msg'] === 'string' ? members['msg'] : text;
}

function given(members: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const hasMessage = Object.hasOwn(members, 'message');
  const entries = Object.entries(members).flatMap(([name, value]): [string, unknown][] => {
    if (name === 'msg' && !hasMessage && typeof value === 'string') return [];
    return [[notTheirs.has(name) ? `_${name}` : name, value]];
  });
  return Object.fromEntries(entries);
}

const notTheirs = new Set(['app', 'process', 'host', 'position']);

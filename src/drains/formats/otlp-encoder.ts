import type { EncodableLines, Encoder, LineFilter } from './encoder.ts';
import type { FrameBuilder } from './frame-builder.ts';
import { appendText, LineReader, type LineReaderOptions, type ReadLine } from './line-reader.ts';
import { decodedText } from './line-text.ts';
import { jsonMembers } from './json-text.ts';
import { jsonSeverity, otlpSeverities } from './otlp-severity.ts';
import { severityWords } from './severity.ts';

/**
 * OTLP/HTTP's JSON of an ExportLogsServiceRequest. Lines of one app, process and host that follow each other share
 * a resource. The body of a record is the line as it came; severity and trace are lifted from lines that are JSON.
 */
export class OtlpEncoder implements Encoder {
  readonly #reader: LineReader;
  /** Whose records are being written; nothing is open while the body is empty. */
  #open: Resource | undefined;

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
      const { resource, text } = this.#next(line, out);
      const bytes = Buffer.byteLength(text);
      if (!out.fits(bytes + requestEnd.length)) return false;
      this.#append(resource, text, bytes, out);
      return true;
    });
  }

  encodeNotice(text: string, atMs: number, out: FrameBuilder): void {
    const { resource, text: record } = this.#next(this.#reader.notice(text, atMs), out);
    this.#append(resource, record, Buffer.byteLength(record), out);
  }

  finish(out: FrameBuilder): void {
    if (out.length > 0) appendText(requestEnd, requestEnd.length, out);
  }

  /** The record with whatever has to be opened or closed before it. */
  #next(line: ReadLine, out: FrameBuilder): { resource: Resource; text: string } {
    const isSame = this.#open !== undefined && isOf(this.#open, line);
    const resource = isSame && this.#open ? this.#open : resourceOf(line);
    const record = recordOf(line);
    if (out.length === 0) return { resource, text: requestStart + resource.start + record };
    if (isSame) return { resource, text: `,${record}` };
    return { resource, text: `${resourceEnd},${resource.start}${record}` };
  }

  #append(resource: Resource, text: string, bytes: number, out: FrameBuilder): void {
    this.#open = resource;
    appendText(text, bytes, out);
    out.messages++;
  }
}

const requestStart = '{"resourceLogs":[';
/** Of the list of records, the scope, the list of scopes, and the resource. */
const resourceEnd = ']}]}';
const requestEnd = `${resourceEnd}]}`;

interface Resource extends Pick<ReadLine, 'app' | 'proc' | 'host'> {
  /** Its JSON up to the first record. */
  readonly start: string;
}

function isOf(resource: Resource, { app, proc, host }: ReadLine): boolean {
  return resource.app === app && resource.proc === proc && resource.host === host;
}

function resourceOf({ app, proc, host }: ReadLine): Resource {
  const attributes = [
    attribute('service.name', app ?? 'unknown_service'),
    ...(proc === undefined ? [] : [attribute('service.instance.id', proc)]),
    ...(host === undefined ? [] : [attribute('host.name', host)]),
  ];
  const resource = JSON.stringify({ attributes });
  const start = `{"resource":${resource},"scopeLogs":[{"scope":{"name":"spillway"},"logRecords":[`;
  return { app, proc, host, start };
}

function recordOf(line: ReadLine): string {
  const { text, isExact } = decodedText(line.text);
  const members = isExact ? jsonMembers(text) : undefined;
  return JSON.stringify({
    ...(line.time === undefined ? {} : { timeUnixNano: nanoseconds(line.time) }),
    observedTimeUnixNano: `${line.receivedAtMs}000000`,
    ...((members && jsonSeverity(members)) ?? syslogSeverity(line.severity)),
    body: { stringValue: text },
    ...(line.position === undefined
      ? {}
      : { attributes: [attribute('spillway.position', line.position)] }),
    ...(members && traceOf(members)),
  });
}

function attribute(key: string, stringValue: string): object {
  return { key, value: { stringValue } };
}

function syslogSeverity(severity: number): object {
  return {
    severityNumber: otlpSeverities[severity],
    severityText: severityWords[severity],
  };
}

/** RFC 3339's time as nanoseconds since 1970, all nine digits kept. */
function nanoseconds(time: string): string {
  const fraction = /\.(\d+)/.exec(time)?.[1] ?? '';
  const seconds = Date.parse(time.replace(/\.\d+/, '')) / 1000;
  return seconds > 0 ? `${seconds}${fraction.padEnd(9, '0')}` : '0';
}

/** Trace context where the line has it under one of its usual names; ids of zeros are none (W3C Trace Context). */
function traceOf(members: Readonly<Record<string, unknown>>): object {
  const traceId = hexId(members, traceNames, 32);
  const spanId = hexId(members, spanNames, 16);
  const flags = traceFlags(members);
  return {
    ...(traceId === undefined ? {} : { traceId }),
    ...(traceId === undefined || spanId === undefined ? {} : { spanId }),
    ...(traceId === undefined || flags === undefined ? {} : { flags }),
  };
}

const traceNames = ['trace_id', 'traceId', 'traceID', 'trace.id'];
const spanNames = ['span_id', 'spanId', 'spanID', 'span.id'];
const flagNames = ['trace_flags', 'traceFlags'];

function hexId(
  members: Readonly<Record<string, unknown>>,
  names: readonly string[],
  digits: number,
): string | undefined {
  const id = ownValue(members, names);
  if (typeof id !== 'string' || id.length !== digits) return undefined;
  return /^[0-9a-f]+$/i.test(id) && /[^0]/.test(id) ? id.toLowerCase() : undefined;
}

/** Two hex digits, or their number. */
function traceFlags(members: Readonly<Record<string, unknown>>): number | undefined {
  const flags = ownValue(members, flagNames);
  const number =
    typeof flags === 'string' && /^[0-9a-f]{2}$/i.test(flags) ? Number.parseInt(flags, 16) : flags;
  const isFlags = Number.isInteger(number) && (number as number) >= 0 && (number as number) <= 255;
  return isFlags ? (number as number) : undefined;
}

function ownValue(members: Readonly<Record<string, unknown>>, names: readonly string[]): unknown {
  const name = names.find((known) => Object.hasOwn(members, known));
  return name === undefined ? undefined : members[name];
}

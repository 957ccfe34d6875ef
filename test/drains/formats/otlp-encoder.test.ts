import { expect, test } from 'vitest';
import { FrameBuilder } from '../../../src/drains/formats/frame-builder.ts';
import { OtlpEncoder } from '../../../src/drains/formats/otlp-encoder.ts';
import { bodyOf, line, plainText, stored } from './format-kit.ts';

interface LogRecordJson {
  readonly timeUnixNano?: string;
  readonly severityNumber: number;
  readonly severityText: string;
  readonly body: { readonly stringValue: string };
  readonly traceId?: string;
  readonly spanId?: string;
  readonly flags?: number;
}

interface RequestJson {
  readonly resourceLogs: readonly {
    readonly resource: { readonly attributes: readonly unknown[] };
    readonly scopeLogs: readonly { readonly logRecords: readonly LogRecordJson[] }[];
  }[];
}

function encoder(over: Partial<typeof plainText> = {}): OtlpEncoder {
  return new OtlpEncoder({ hostname: undefined, text: { ...plainText, ...over } });
}

function request(...lines: Buffer[]): RequestJson {
  return JSON.parse(bodyOf(encoder(), stored(...lines)).text) as RequestJson;
}

function record(text: string | Buffer, over: { pri?: number; time?: string } = {}): LogRecordJson {
  const [first] = request(line(text, over)).resourceLogs[0]?.scopeLogs[0]?.logRecords ?? [];
  if (!first) throw new Error('no record');
  return first;
}

test('a request has these bytes', () => {
  expect(bodyOf(encoder(), stored(line('Hello'), line('again'))).text).toBe(
    '{"resourceLogs":[{"resource":{"attributes":[' +
      '{"key":"service.name","value":{"stringValue":"demo"}},' +
      '{"key":"service.instance.id","value":{"stringValue":"web.1"}},' +
      '{"key":"host.name","value":{"stringValue":"pod"}}]},' +
      '"scopeLogs":[{"scope":{"name":"spillway"},"logRecords":[' +
      '{"timeUnixNano":"1767225600123456000","observedTimeUnixNano":"1767225601500000000",' +
      '"severityNumber":9,"severityText":"info","body":{"stringValue":"Hello"},' +
      '"attributes":[{"key":"spillway.position","value":{"stringValue":"0123456789abcdef-0-7-0"}}]},' +
      '{"timeUnixNano":"1767225600123456000","observedTimeUnixNano":"1767225601500000000",' +
      '"severityNumber":9,"severityText":"info","body":{"stringValue":"again"},' +
      '"attributes":[{"key":"spillway.position","value":{"stringValue":"0123456789abcdef-0-7-1"}}]}' +
      ']}]}]}',
  );
});

test('lines that follow each other share a resource; another process is another one', () => {
  const { resourceLogs } = request(
    Buffer.from('<190>1 - - demo web.1 - - a'),
    Buffer.from('<190>1 - - demo web.1 - - b'),
    Buffer.from('<190>1 - - demo web.2 - - c'),
    Buffer.from('<190>1 - - - - - - d'),
  );
  expect(resourceLogs.map((resource) => resource.scopeLogs[0]?.logRecords.length)).toEqual([
    2, 1, 1,
  ]);
  expect(resourceLogs[2]?.resource.attributes).toEqual([
    { key: 'service.name', value: { stringValue: 'unknown_service' } },
  ]);
});

test('each severity of syslog has its number', () => {
  const numbers = [0, 1, 2, 3, 4, 5, 6, 7].map((pri) => record('x', { pri }).severityNumber);
  expect(numbers).toEqual([21, 19, 18, 17, 13, 10, 9, 5]);
});

test.each([
  ['{"level":"error"}', 17, 'error'],
  ['{"level":"WARN"}', 13, 'WARN'],
  ['{"severity":"CRITICAL"}', 18, 'CRITICAL'],
  ['{"level":"trace"}', 1, 'trace'],
  ['{"level":"fatal"}', 21, 'fatal'],
  ['{"log.level":"debug"}', 5, 'debug'],
  ['{"level":30}', 9, 'info'],
  ['{"level":50}', 17, 'error'],
  ['{"level":3}', 17, 'err'],
  ['{"level":"banana"}', 9, 'info'],
  ['{"level":35}', 9, 'info'],
  ['{"level":-1}', 9, 'info'],
  ['{"level":null}', 9, 'info'],
  ['{"nothing":1}', 9, 'info'],
])('%s has severity %i %s', (text, severityNumber, severityText) => {
  expect(record(text)).toMatchObject({ severityNumber, severityText, body: { stringValue: text } });
});

const trace = '4bf92f3577b34da6a3ce929d0e0e4736';
const span = '00f067aa0ba902b7';

test('the trace of a line that is JSON is lifted', () => {
  const whole = { traceId: trace, spanId: span, flags: 1 };
  expect(record(`{"trace_id":"${trace}","span_id":"${span}","trace_flags":"01"}`)).toMatchObject(
    whole,
  );
  expect(
    record(`{"traceId":"${trace.toUpperCase()}","spanId":"${span}","traceFlags":1}`),
  ).toMatchObject(whole);
  expect(record(`{"trace.id":"${trace}"}`)).toMatchObject({ traceId: trace });
});

test.each([
  `trace_id=${trace}`,
  `{"trace_id":"${'0'.repeat(32)}"}`,
  `{"trace_id":"${trace}0"}`,
  `{"trace_id":"${trace.slice(1)}g"}`,
  `{"trace_id":7}`,
  `{"span_id":"${span}"}`,
])('%s has no trace', (text) => {
  expect(record(text)).not.toHaveProperty('traceId');
  expect(record(text)).not.toHaveProperty('spanId');
});

test('times keep all nine digits, whatever the zone; what is no time is left out', () => {
  const nanos = (time: string): string | undefined => record('x', { time }).timeUnixNano;
  expect(nanos('2026-01-01T02:00:00.123456789+02:00')).toBe('1767225600123456789');
  expect(nanos('2026-01-01T00:00:00Z')).toBe('1767225600000000000');
  expect(nanos('2026-01-01T00:00:00.5Z')).toBe('1767225600500000000');
  expect(nanos('1969-12-31T23:59:59Z')).toBe('0');
  expect(nanos('-')).toBeUndefined();
  expect(nanos('T')).toBeUndefined();
});

test('a batch ends within its bytes, its end counted in', () => {
  const lines = stored(...['a', 'b', 'c', 'd'].map((text) => line(text)));
  const two = stored(line('a'), line('b'));
  const bytesMax = bodyOf(encoder(), two).text.length;
  const out = new FrameBuilder();
  const one = encoder();
  for (const [from, to] of [
    [0, 2],
    [2, 4],
  ] as const) {
    out.begin({ bytesMax, linesMax: Infinity });
    expect(one.encode(lines, from, 4, out)).toBe(to);
    one.finish(out);
    const body = out.take();
    expect(body.length).toBe(bytesMax);
    expect(() => JSON.parse(body.toString()) as unknown).not.toThrow();
  }
});

test('a body without messages is empty', () => {
  const body = bodyOf(encoder(), stored(line('x')), () => false);
  expect(body).toEqual({ text: '', messages: 0, filtered: 1 });
});

test("the drain's own L10 is a record, and the first line after it gets its own resource", () => {
  const out = new FrameBuilder();
  const one = encoder();
  out.begin({ bytesMax: Infinity, linesMax: Infinity });
  one.encodeNotice('Error L10', Date.UTC(2026, 0, 1), out);
  one.encode(stored(line('x')), 0, 1, out);
  one.finish(out);
  expect(out.messages).toBe(2);
  const { resourceLogs } = JSON.parse(out.take().toString()) as RequestJson;
  expect(resourceLogs).toHaveLength(2);
  expect(resourceLogs[0]?.scopeLogs[0]?.logRecords[0]).toEqual({
    timeUnixNano: '1767225600000000000',
    observedTimeUnixNano: '1767225600000000000',
    severityNumber: 13,
    severityText: 'warning',
    body: { stringValue: 'Error L10' },
  });
});

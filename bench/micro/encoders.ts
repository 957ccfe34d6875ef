import { Buffer } from 'node:buffer';
import { createEncoder } from '../../src/drains/formats/create-encoder.ts';
import { FrameBuilder } from '../../src/drains/formats/frame-builder.ts';
import { drainOptions } from '../../src/drains/url/drain-options.ts';
import type { StoredOptions } from '../../src/drains/url/option-values.ts';

/**
 * CPU time that each format takes for a line of 215 bytes, with its frame: the best of several rounds, because
 * neighbours only ever add.
 */
const cases: readonly (readonly [string, StoredOptions, string])[] = [
  ['logplex', { format: 'logplex' }, 'x'],
  ['rfc5424', { format: 'rfc5424' }, 'x'],
  ['rfc5424, strip_ansi', { format: 'rfc5424', strip_ansi: true }, 'x'],
  ['ndjson, text', { format: 'ndjson' }, 'x'],
  [
    'ndjson, JSON',
    { format: 'ndjson' },
    '{"level":"info","msg":"hello","request_id":"abcdef","ms":12,"path":"/"}',
  ],
  ['otlp, text', { format: 'otlp' }, 'x'],
];
const linesPerRecord = 50;
const recordsPerBatch = 10;
const batchesPerRound = 100;
const rounds = 20;

for (const [name, stored, text] of cases) {
  console.log(`${name.padEnd(20)} ${measure(stored, text).toFixed(2)} µs a line`);
}

function measure(stored: StoredOptions, text: string): number {
  const setting = { kind: 'https', tls: true, insecureAllowed: false } as const;
  const encoder = createEncoder(
    drainOptions(stored, setting),
    'd.fc6b856b-3332-4546-93de-7d0ee272c3bd',
  );
  const lines = linesOf(text);
  const out = new FrameBuilder();
  let best = Infinity;
  for (let round = 0; round < rounds; round++) {
    const before = process.cpuUsage();
    for (let batch = 0; batch < batchesPerRound; batch++) {
      out.begin({ bytesMax: Infinity, linesMax: Infinity });
      for (let i = 0; i < recordsPerBatch; i++) encoder.encode(lines, 0, linesPerRecord, out);
      encoder.finish(out);
      out.recycle(out.take());
    }
    const { user, system } = process.cpuUsage(before);
    best = Math.min(best, (user + system) / (batchesPerRound * recordsPerBatch * linesPerRecord));
  }
  return best;
}

function linesOf(text: string): Parameters<ReturnType<typeof createEncoder>['encode']>[0] {
  const head =
    '<190>1 2026-01-01T00:00:00.123456+00:00 demo-7f9c6d5b4-x2x7k demo demo-7f9c6d5b4-x2x7k - - ';
  const message = `${head}${text.padEnd(215 - 5 - head.length, text === 'x' ? 'x' : ' ')}\n`;
  const frame = Buffer.from(`${message.length} ${message}`);
  return {
    position: { logId: '0123456789abcdef', partition: 0, offset: 1, line: 0 },
    record: {
      frames: Buffer.concat(Array.from({ length: linesPerRecord }, () => frame)),
      receivedAtMs: 0,
    },
  };
}

import { expect, test } from 'vitest';
import { DrainLedger } from './drain-ledger.ts';
import { appName, Lines, procId } from './line.ts';

const lines = new Lines('0a1b2c3d');

function ledgerOf(kind: 'https' | 'syslog' = 'https'): DrainLedger {
  return new DrainLedger({ drain: 0, app: 1, kind, sources: 2 }, lines);
}

function frameOf(sequence: number, names: { app?: number; name?: number } = {}): Buffer {
  const { app = 1, name = app } = names;
  const source = 0;
  const text = lines.text({ app, source, sequence });
  const header = `<190>1 2026-01-01T00:00:00+00:00 host ${appName(name)} ${procId(source)} - `;
  return Buffer.concat([Buffer.from(`${header.length + text.length} ${header}`), text]);
}

function notice(count: number, second: number): Buffer {
  const message = `<172>1 2026-01-01T00:00:0${second}+00:00 host heroku logplex - Error L10 (output buffer overflow): ${count} messages dropped since 2026-01-01T00:00:00+00:00.\n`;
  return Buffer.from(`${message.length} ${message}`);
}

function bodyOf(...sequences: number[]): Buffer {
  return Buffer.concat(sequences.map((sequence) => frameOf(sequence)));
}

test('lines in order, once each, leave nothing to say', () => {
  const ledger = ledgerOf();
  ledger.batch('a', 1, bodyOf(0, 1, 2), 3, 10);
  ledger.batch('b', 2, bodyOf(3, 4), 2, 20);
  expect(ledger.snapshot()).toMatchObject({
    unique: 5,
    outOfOrder: [],
    faults: [],
    repeats: [],
    repeatedBatches: [],
  });
  expect([...(ledger.snapshot().counts[0]?.subarray(0, 6) ?? [])]).toEqual([1, 1, 1, 1, 1, 0]);
});

test('a gap is no disorder, the line that fills it is', () => {
  const ledger = ledgerOf();
  ledger.batch('a', 1, bodyOf(0, 2), 2, 10);
  expect(ledger.snapshot().outOfOrder).toEqual([]);
  ledger.batch('b', 2, bodyOf(1), 1, 20);
  expect(ledger.snapshot().outOfOrder).toEqual([{ source: 0, sequence: 1 }]);
});

test('a known Frame-Id is a repeated batch, the same lines under another one are duplicates', () => {
  const ledger = ledgerOf();
  ledger.batch('a', 1, bodyOf(0, 1), 2, 10);
  ledger.batch('a', 1, bodyOf(0, 1), 2, 30);
  ledger.batch('b', 2, bodyOf(1), 1, 40);
  expect(ledger.snapshot()).toMatchObject({
    unique: 2,
    repeatedBatches: [{ firstTick: 10, againTick: 30, lines: 2 }],
    repeats: [{ firstTick: 10, againTick: 40, lines: 1 }],
  });
});

test('a repeat after an answer that was swallowed is our own doing', () => {
  const ledger = ledgerOf();
  ledger.batch('a', 1, bodyOf(0, 1), 2, 10);
  ledger.swallowed('a');
  ledger.batch('a', 1, bodyOf(0, 1), 2, 30);
  expect(ledger.snapshot()).toMatchObject({ repeatedOwnFault: 2, repeatedBatches: [] });
});

test('what is wrong with a request or a message has a name', () => {
  const ledger = ledgerOf();
  const changed = frameOf(0);
  changed[changed.length - 3] = (changed[changed.length - 3] as number) ^ 1;
  ledger.batch('a', 1, changed, 1, 10);
  ledger.batch('b', 2, frameOf(0, { app: 2 }), 1, 10);
  ledger.batch('c', 3, frameOf(0, { app: 2, name: 1 }), 1, 10);
  ledger.batch('d', 4, Buffer.from('12 <190>'), 0, 10);
  ledger.batch('e', 5, bodyOf(0), 7, 10);
  ledger.batch('e', 6, bodyOf(1), 1, 10);
  expect(ledger.snapshot().faults).toEqual([
    ['a line with wrong crc', 1],
    ['APP-NAME of another app', 1],
    ['a line of another app', 1],
    ['malformed frame', 1],
    ['Logplex-Msg-Count', 1],
    ['another body under a known Frame-Id', 1],
  ]);
});

test('what L10 announces is summed, a repeated notice once', () => {
  const ledger = ledgerOf();
  ledger.batch('a', 1, Buffer.concat([notice(7, 1), bodyOf(0)]), 2, 10);
  ledger.batch('b', 2, Buffer.concat([notice(7, 1), notice(5, 2)]), 2, 10);
  expect(ledger.snapshot()).toMatchObject({ announced: 12, notices: 2, unique: 1 });
});

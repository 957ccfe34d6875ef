import { expect, test } from 'vitest';
import { appId } from '../../src/core/ids.ts';
import { PlatformLines } from '../../src/ingest/platform-lines.ts';
import { FakeClock } from '../support/fake-clock.ts';
import { MemoryLog } from '../support/memory-log.ts';
import { storedIn } from './ingest-harness.ts';

test('appends a line of the platform as one durable record', async () => {
  const log = new MemoryLog();
  const lines = new PlatformLines({ messageBytesMax: 20 }, { bus: log, clock: new FakeClock() });
  await lines.append(appId(3), { text: 'one\ntwo\n', procId: 'web.1 x' });
  await lines.append(appId(3), { text: 'x'.repeat(25), procId: 'release', source: 'heroku' });
  const records = (await storedIn(log)).map(({ record }) => record);
  const time = '2026-01-01T00:00:00.000000+00:00';
  expect(records[0]).toMatchObject({ kind: 'lines', app: 3, lines: 2 });
  expect(records[0]?.frames.toString()).toBe(
    `71 <190>1 ${time} host gigalixir web.1_x - - one\n71 <190>1 ${time} host gigalixir web.1_x - - two\n`,
  );
  expect(records[1]?.frames.toString()).toContain(`${'x'.repeat(20)} [… 5 bytes cut]\n`);
});

test('makes several records of what is too long for one', async () => {
  const log = new MemoryLog();
  const lines = new PlatformLines(
    { messageBytesMax: 10_240 },
    { bus: log, clock: new FakeClock() },
  );
  await lines.append(appId(3), { text: `${'x'.repeat(999)}\n`.repeat(500), procId: 'p' });
  const records = (await storedIn(log)).map(({ record }) => record);
  expect(records.map(({ part, parts }) => [part, parts])).toEqual([
    [1, 3],
    [2, 3],
    [3, 3],
  ]);
  expect(records.reduce((sum, record) => sum + record.lines, 0)).toBe(500);
});

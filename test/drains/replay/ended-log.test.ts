import { expect, test } from 'vitest';
import { appId } from '../../../src/core/ids.ts';
import type { Position } from '../../../src/core/position.ts';
import { EndedLog } from '../../../src/drains/replay/ended-log.ts';
import { MemoryLog } from '../../support/memory-log.ts';
import { linesRecord, textsOf } from '../../support/records.ts';

const app = appId(1);

/** Five records of the app with two lines each, of which the first three are before the end. */
async function endedLog() {
  const bus = new MemoryLog();
  for (const letter of ['a', 'b', 'c', 'd', 'e']) {
    await bus.append([linesRecord(1, [`${letter}1`, `${letter}2`])]);
  }
  const at = (offset: number): Position => ({ logId: bus.logId, partition: 0, offset, line: 0 });
  const end = { position: at(3), seq: 6 };
  return { bus, at, log: new EndedLog({ bus, end }) };
}

test('what comes after the end is never read, however large the page', async () => {
  const { log, at } = await endedLog();
  const page = await log.read(at(1), 1 << 20, app);
  expect(page.records.flatMap(({ record }) => textsOf(record.frames))).toEqual([
    'b1',
    'b2',
    'c1',
    'c2',
  ]);
  expect(page).toMatchObject({ next: { position: at(3), appSeq: 6 }, atHead: true });
});

test('a page before the end is as it is', async () => {
  const { bus, log, at } = await endedLog();
  expect(await log.read(at(0), 1, app)).toEqual(await bus.read(at(0), 1, app));
});

test('at the end, or where retention has gone past it, there is nothing', async () => {
  const { bus, log, at } = await endedLog();
  const nothing = { from: { position: at(3), appSeq: 6 }, records: [], atHead: true };
  expect(await log.read(at(3), 1 << 20, app)).toMatchObject(nothing);
  bus.dropBefore(0, 4);
  expect(await log.read(at(1), 1 << 20, app)).toMatchObject(nothing);
});

test('its head is the end', async () => {
  const { bus, log, at } = await endedLog();
  const { oldest } = await bus.bounds(0, app);
  expect(await log.bounds(0, app)).toMatchObject({ oldest, head: { position: at(3), appSeq: 6 } });
  expect([log.logId, log.partitionOf(app)]).toEqual([bus.logId, 0]);
});

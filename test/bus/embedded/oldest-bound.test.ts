import { expect, test } from 'vitest';
import { appId } from '../../../src/core/ids.ts';
import { linesRecord } from '../../support/records.ts';
import { openSimulated } from '../../support/simulated-log.ts';
import { SimulatedDisk } from '../../support/simulated-storage.ts';

const [early, late] = [1, 2];

test('where an app begins that came late is looked for once, until retention takes that', async () => {
  const disk = new SimulatedDisk();
  const options = { indexCacheBytesMax: 300, retentionBytesMax: 60_000 };
  const { bus } = await openSimulated(disk.attach(), { options });
  const write = async (app: number, records: number): Promise<void> => {
    for (let i = 0; i < records; i++) await bus.append([linesRecord(app, ['x'.repeat(200)])]);
    await bus.retain({ age: false });
  };
  const oldest = async () => (await bus.bounds(0, appId(late))).oldest;
  await write(early, 100);
  expect(await oldest()).toMatchObject({ appSeq: 0, previous: null });
  await write(late, 2);
  await write(early, 20);
  const { position } = await oldest();
  disk.bytesRead.clear();
  expect(await oldest()).toMatchObject({ position, appSeq: 0, previous: null });
  expect([...disk.bytesRead.keys()]).toEqual([]);

  await write(early, 110);
  const later = await oldest();
  expect(later.position.offset).toBeGreaterThan(position.offset);
  expect(later).toMatchObject({ appSeq: 0, previous: null });

  await write(early, 250);
  await write(late, 1);
  await write(early, 20);
  const end = { appSeq: 2, previous: { offset: 101 } };
  expect(await oldest()).toMatchObject(end);
  expect(await oldest()).toMatchObject(end);
  await bus.close();
});

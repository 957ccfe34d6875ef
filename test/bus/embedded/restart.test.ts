import {
  appendFile,
  copyFile,
  open,
  readdir,
  readFile,
  rm,
  truncate,
  writeFile,
} from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import type { LogBus } from '../../../src/bus/bus.ts';
import { appId } from '../../../src/core/ids.ts';
import { openEmbedded, temporaryDirectory } from '../../support/embedded.ts';
import { linesRecord, textsOf } from '../../support/records.ts';

const one = appId(1);

async function textsIn(bus: LogBus, app = one): Promise<string[]> {
  const texts: string[] = [];
  let at = (await bus.bounds(bus.partitionOf(app))).oldest.position;
  for (let atHead = false; !atHead;) {
    const page = await bus.read(at, 10_000, app);
    texts.push(...page.records.flatMap((r) => textsOf(r.record.frames)));
    ({ atHead } = page);
    at = page.next.position;
  }
  return texts;
}

async function logFiles(directory: string): Promise<string[]> {
  const names = await readdir(join(directory, 'log/0'));
  return names.filter((name) => name.endsWith('.log')).sort();
}

const numbers = (from: number, to: number) =>
  Array.from({ length: to - from }, (_, i) => `${from + i}`);

async function write(bus: LogBus, from: number, to: number): Promise<void> {
  for (const text of numbers(from, to)) {
    await bus.append([linesRecord(1 + (Number(text) % 3), [text])]);
  }
}

for (const segmentBytes of [700, 64 << 20]) {
  test(`goes on with offsets, numbers and predecessors after a restart (segments of ${segmentBytes} bytes)`, async () => {
    await using directory = await temporaryDirectory();
    let bus = await openEmbedded(directory.path, { segmentBytes });
    const { logId } = bus;
    for (let round = 0; round < 4; round++) {
      await write(bus, round * 10, round * 10 + 10);
      const before = await Promise.all([1, 2, 3].map((app) => bus.bounds(0, appId(app))));
      await bus.close();
      bus = await openEmbedded(directory.path, { segmentBytes });
      const after = await Promise.all([1, 2, 3].map((app) => bus.bounds(0, appId(app))));
      expect(after).toEqual(before);
    }
    expect(bus.logId).toBe(logId);
    expect(await textsIn(bus)).toEqual(numbers(0, 40).filter((n) => Number(n) % 3 === 0));
    await bus.close();
  });
}

test('keeps everything acknowledged when it was never closed', async () => {
  await using directory = await temporaryDirectory();
  const abandoned = await openEmbedded(directory.path, { segmentBytes: 2000 });
  await write(abandoned, 0, 50);
  const bus = await openEmbedded(directory.path, { segmentBytes: 2000 });
  expect(await textsIn(bus)).toEqual(numbers(0, 50).filter((n) => Number(n) % 3 === 0));
  await bus.close();
});

test('cuts a torn tail off, wherever it is torn, and goes on', async () => {
  await using directory = await temporaryDirectory();
  let bus = await openEmbedded(directory.path);
  await write(bus, 0, 9);
  await bus.close();
  const [name = ''] = await logFiles(directory.path);
  const path = join(directory.path, 'log/0', name);
  const whole = await readFile(path);
  const lastBytes = 140;
  for (let cut = 1; cut < lastBytes; cut += 7) {
    await writeFile(path, whole.subarray(0, whole.length - cut));
    await rm(join(directory.path, 'checkpoints'), { recursive: true });
    bus = await openEmbedded(directory.path);
    const texts = [...(await textsIn(bus, appId(1))), ...(await textsIn(bus, appId(2)))];
    expect(texts).toEqual(['0', '3', '6', '1', '4', '7']);
    await bus.append([linesRecord(3, ['again'])]);
    expect((await textsIn(bus, appId(3))).slice(0, 2)).toEqual(['2', '5']);
    expect((await textsIn(bus, appId(3))).at(-1)).toBe('again');
    await bus.close();
    await writeFile(path, whole);
  }
});

test('skips a record whose bytes have rotted and hands out the others, with the hole in the numbers', async () => {
  await using directory = await temporaryDirectory();
  let bus = await openEmbedded(directory.path, { segmentBytes: 3000 });
  await write(bus, 0, 60);
  await bus.close();
  const [name = ''] = await logFiles(directory.path);
  const file = await open(join(directory.path, 'log/0', name), 'r+');
  await file.write(Buffer.from([0xff]), 0, 1, 700);
  await file.close();
  bus = await openEmbedded(directory.path, { segmentBytes: 3000 });
  const all = (await Promise.all([1, 2, 3].map((app) => textsIn(bus, appId(app))))).flat();
  expect(all).toHaveLength(59);
  const { head } = await bus.bounds(0, one);
  const { oldest } = await bus.bounds(0, one);
  expect(await bus.count(one, oldest.position, head.position)).toBe(20);
  await bus.close();
});

test('makes a lost or damaged index anew from its segment', async () => {
  await using directory = await temporaryDirectory();
  let bus = await openEmbedded(directory.path, { segmentBytes: 1500 });
  await write(bus, 0, 60);
  const expected = await textsIn(bus);
  await bus.close();
  const indexes = (await readdir(join(directory.path, 'log/0'))).filter((n) => n.endsWith('.idx'));
  expect(indexes.length).toBeGreaterThan(3);
  for (const [i, name] of indexes.entries()) {
    const path = join(directory.path, 'log/0', name);
    if (i % 3 === 0) await rm(path);
    else if (i % 3 === 1) await truncate(path, 60);
    else await appendFile(path, 'x');
  }
  bus = await openEmbedded(directory.path, { segmentBytes: 1500 });
  expect(await textsIn(bus)).toEqual(expected);
  expect(
    await bus.count(
      one,
      await bus.seek(one, { linesBack: 15 }),
      (await bus.bounds(0, one)).head.position,
    ),
  ).toBe(15);
  await bus.close();
});

test('remembers the numbers of an app whose last segment retention took', async () => {
  await using directory = await temporaryDirectory();
  const options = { segmentBytes: 1500, retentionBytesMax: 6000 };
  let bus = await openEmbedded(directory.path, options);
  await bus.append([linesRecord(9, ['only', 'two'])]);
  await write(bus, 0, 100);
  await bus.retain({ age: false });
  await bus.close();
  expect((await logFiles(directory.path)).length).toBeLessThan(6);
  bus = await openEmbedded(directory.path, options);
  const { head } = await bus.bounds(0, appId(9));
  expect(head.appSeq).toBe(2);
  const start = { logId: bus.logId, partition: 0, offset: 0, line: 0 };
  const page = await bus.read(start, 1000, appId(9));
  expect(page.records).toEqual([]);
  expect(page.from.appSeq).toBe(2);
  await bus.append([linesRecord(9, ['three'])]);
  expect((await bus.bounds(0, appId(9))).head.appSeq).toBe(3);
  await bus.close();
});

test('starts a read below the oldest line at the oldest, with its numbers', async () => {
  await using directory = await temporaryDirectory();
  const bus = await openEmbedded(directory.path, { segmentBytes: 1500, retentionBytesMax: 5000 });
  await write(bus, 0, 100);
  await bus.retain({ age: false });
  const page = await bus.read({ logId: bus.logId, partition: 0, offset: 0, line: 0 }, 100_000, one);
  expect(page.from.position.offset).toBeGreaterThan(0);
  expect(page.from.appSeq).toBe(page.records[0]?.appSeq);
  expect(page.from.appSeq).toBeGreaterThan(0);
  const { oldest } = await bus.bounds(0, one);
  expect(oldest).toEqual(page.from);
  expect(oldest.previous?.offset).toBeLessThan(oldest.position.offset);
  await bus.close();
});

test('refuses another number of partitions, and a second process', async () => {
  await using directory = await temporaryDirectory();
  const bus = await openEmbedded(directory.path, { partitions: 2 });
  await bus.close();
  await expect(openEmbedded(directory.path, { partitions: 3 })).rejects.toThrow(/made with 2/);
});

test('refuses a segment format that it does not know', async () => {
  await using directory = await temporaryDirectory();
  const bus = await openEmbedded(directory.path);
  await write(bus, 0, 3);
  await bus.close();
  const [name = ''] = await logFiles(directory.path);
  const path = join(directory.path, 'log/0', name);
  await copyFile(path, `${path}.orig`);
  const { crc32c } = await import('@node-rs/crc32');
  const bytes = await readFile(path);
  bytes.writeUInt32LE(99, 4);
  bytes.writeUInt32LE(crc32c(bytes.subarray(0, 32)), 32);
  await writeFile(path, bytes);
  await expect(openEmbedded(directory.path)).rejects.toThrow(/format 99/);
});

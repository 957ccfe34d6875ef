import { crc32c } from '@node-rs/crc32';
import { readFile, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { DatabaseSync } from 'node:sqlite';
import { expect, test } from 'vitest';
import { lockDirectory } from '../../../src/bus/embedded/directory-lock.ts';
import { temporaryDirectory } from '../../support/embedded.ts';
import { LogModel } from '../../support/log-model.ts';
import { SeededChance } from '../../support/seeded-chance.ts';
import { openSimulated } from '../../support/simulated-log.ts';
import { SimulatedDisk } from '../../support/simulated-storage.ts';

/** SPILLWAY_CORRUPTIONS=5000 for the nightly tier. */
const cases = Number(process.env['SPILLWAY_CORRUPTIONS'] ?? 150);

/** A log with sealed segments, ended in order or not. */
async function makeLog(isClosed: boolean): Promise<{ disk: SimulatedDisk; model: LogModel }> {
  const disk = new SimulatedDisk();
  const model = new LogModel([1, 2, 3]);
  const chance = new SeededChance(3);
  const { bus } = await openSimulated(disk.attach());
  model.follow(bus);
  for (let i = 0; i < 40; i++) await model.append(bus, 1 + chance.below(3), chance, 2);
  await bus.checkpoints.append(0, 1, new Map([['drain:1', { n: 5 }]]));
  await bus.checkpoints.sync();
  if (isClosed) await bus.close();
  else disk.kill();
  return { disk, model };
}

type Damage = 'bit flipped' | 'truncated' | '4 KiB zeroed' | 'removed' | 'unreadable';

function damage(disk: SimulatedDisk, path: string, how: Damage, chance: SeededChance): void {
  const bytes = Buffer.from(disk.content(path));
  const at = chance.below(bytes.length);
  if (how === 'bit flipped') bytes[at] = (bytes[at] ?? 0) ^ (1 << chance.below(8));
  if (how === '4 KiB zeroed') bytes.fill(0, at, Math.min(at + 4096, bytes.length));
  if (how === 'removed') disk.remove(path);
  else if (how !== 'unreadable') {
    disk.replace(path, how === 'truncated' ? bytes.subarray(0, at) : bytes);
  }
}

test(
  `never hands out wrong bytes and always starts, whatever file is damaged (${cases} cases)`,
  { timeout: 30_000 + cases * 100 },
  async () => {
    const seen = { missing: 0, counted: 0 };
    for (let i = 0; i < cases; i++) {
      const chance = new SeededChance(i);
      const { disk, model } = await makeLog(chance.percent(50));
      const kinds = ['.log', '.idx', '.journal', 'log.json'];
      const kind = kinds[i % kinds.length] as string;
      const path = chance.pick(disk.files().filter((name) => name.endsWith(kind)));
      const isSegment = kind === '.log';
      const how = chance.pick<Damage>([
        'bit flipped',
        'truncated',
        '4 KiB zeroed',
        'unreadable',
        ...(isSegment ? [] : ['removed' as const]),
      ]);
      const what = `case ${i}: ${path} ${how}`;
      damage(disk, path, how, chance);
      const badSector = Math.max(0, chance.below(disk.has(path) ? disk.content(path).length : 1));
      const faults = {
        unreadable: (name: string, at: number, length: number) =>
          how === 'unreadable' && name === path && at <= badSector && badSector < at + length,
      };
      try {
        for (let start = 0; start < 2; start++) {
          const { bus, corrupt } = await openSimulated(disk.attach(faults));
          const { missing } = await model.check(bus, { corruption: isSegment });
          // A file cut off at its end shows nothing of what was there.
          if (missing > 0 && how !== 'truncated' && start === 0) {
            expect(await corrupt()).toBeGreaterThan(0);
            seen.counted++;
          }
          seen.missing += missing;
          await bus.close();
        }
      } catch (error) {
        throw new Error(`${what}: ${(error as Error).message}`, { cause: error });
      }
    }
    if (cases >= 100) {
      expect(seen.missing).toBeGreaterThan(0);
      expect(seen.counted).toBeGreaterThan(0);
    }
  },
);

test('reads every record of a segment whose header says another salt: the log knows its own', async () => {
  const { disk, model } = await makeLog(false);
  const path = disk.files().find((name) => name.endsWith('.log')) ?? '';
  const damaged = Buffer.from(disk.content(path));
  const salt = damaged.readUInt32LE(26);
  expect(salt).not.toBe(0);
  damaged.writeUInt32LE((salt ^ 1) >>> 0, 26);
  disk.replace(path, damaged);
  const { bus } = await openSimulated(disk.attach());
  expect((await model.check(bus)).missing).toBe(0);
  await bus.close();
});

test("refuses another log's log.json, and cuts nothing off: with the own one back all is there", async () => {
  for (const isClosed of [true, false]) {
    const { disk, model } = await makeLog(isClosed);
    const own = Buffer.from(disk.content('log.json'));
    const other = { logId: '0123456789abcdef', partitions: 1, salt: 7 };
    const crc = crc32c(JSON.stringify([other.logId, other.partitions, other.salt]));
    disk.replace('log.json', Buffer.from(`${JSON.stringify({ ...other, crc })}\n`));
    await expect(openSimulated(disk.attach())).rejects.toMatchObject({ code: 'BUS_CORRUPT' });
    disk.replace('log.json', own);
    const { bus } = await openSimulated(disk.attach());
    expect((await model.check(bus)).missing).toBe(0);
    await bus.close();
  }
});

test('skips a checkpoint whose bytes are zeros behind the mark of a chunk', async () => {
  const { disk, model } = await makeLog(true);
  const path = disk.files().find((name) => name.endsWith('.journal')) ?? '';
  const bytes = Buffer.from(disk.content(path));
  disk.replace(path, bytes.fill(0, 4));
  const { bus } = await openSimulated(disk.attach());
  expect((await model.check(bus)).missing).toBe(0);
  await bus.close();
});

test('opens a directory whatever its lock file has become, and still keeps a second owner out', async () => {
  await using directory = await temporaryDirectory();
  const path = join(directory.path, 'lock');
  const database = new DatabaseSync(join(directory.path, 'database'));
  database.exec('PRAGMA journal_mode = WAL; CREATE TABLE a (b); INSERT INTO a VALUES (1)');
  database.close();
  const sound = await readFile(join(directory.path, 'database'));
  for (let i = 0; i < 60; i++) {
    const chance = new SeededChance(i);
    const bytes = Buffer.from(sound.subarray(0, chance.pick([0, 1, 99, 100, 5000, sound.length])));
    for (let n = chance.below(4); n > 0 && bytes.length > 0; n--) {
      bytes[chance.below(Math.min(100, bytes.length))] = chance.below(256);
    }
    await writeFile(path, chance.percent(20) ? Buffer.alloc(5000, 0x61) : bytes);
    const lock = lockDirectory(directory.path);
    expect(() => lockDirectory(directory.path)).toThrow(/another process/);
    lock.release();
    lockDirectory(directory.path).release();
  }
});

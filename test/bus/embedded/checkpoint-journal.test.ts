import { expect, test } from 'vitest';
import type { Entry } from '../../../src/bus/bus.ts';
import { CheckpointJournal } from '../../../src/bus/embedded/checkpoint-journal.ts';
import { NodeStorage } from '../../../src/bus/embedded/node-storage.ts';
import type { Storage, StorageFile } from '../../../src/bus/embedded/storage.ts';
import { systemClock } from '../../../src/core/clock.ts';
import { temporaryDirectory } from '../../support/embedded.ts';
import { FailingStorage } from '../../support/failing-storage.ts';
import { silentLogger } from '../../support/silent-logger.ts';

const options = { directory: 'checkpoints', compactBytesMin: 2000, syncEveryMs: 60_000 };

function open(storage: Storage, failed: (error: unknown) => void = unexpected) {
  return CheckpointJournal.open(options, {
    storage,
    clock: systemClock,
    logger: silentLogger,
    failed,
  });
}

function unexpected(error: unknown): void {
  throw error;
}

/** Copies of the journal are not written until `go` resolves. */
class HeldCopies extends NodeStorage {
  held = 0;
  go: Promise<void> | undefined;

  override async open(path: string, mode: 'existing' | 'create'): Promise<StorageFile> {
    const file = await super.open(path, mode);
    const { go } = this;
    if (!go || !path.endsWith('.tmp')) return file;
    const write = file.write.bind(file);
    file.write = async (buffers, at) => {
      this.held++;
      await go;
      return write(buffers, at);
    };
    return file;
  }
}

/** Appends the numbers of a few drains again and again, until `isEnough`. */
async function fill(journal: CheckpointJournal, isEnough: () => boolean): Promise<number> {
  let n = 0;
  while (!isEnough()) {
    n++;
    await journal.append(0, 1, new Map([[`drain/${n % 10}`, { n }]]));
  }
  return n;
}

const names = async (storage: Storage): Promise<string[]> =>
  (await storage.list(options.directory)).toSorted();

test('entries go on being written while the journal is written anew, and none is missing in it', async () => {
  await using directory = await temporaryDirectory();
  const storage = new HeldCopies(directory.path);
  const journal = await open(storage);
  const { promise, resolve } = Promise.withResolvers<undefined>();
  storage.go = promise.then(() => undefined);
  await fill(journal, () => storage.held > 0);
  await journal.append(
    0,
    1,
    new Map<string, Entry>([
      ['late', { n: 1 }],
      ['drain/3', null],
    ]),
  );
  await journal.append(0, 1, new Map([['late', { n: 2 }]]));
  await journal.sync();
  expect(await names(storage)).toHaveLength(2);
  storage.go = undefined;
  resolve(undefined);
  await expect.poll(() => names(storage)).toEqual(['000000002.journal']);
  await journal.append(0, 1, new Map([['last', { n: 1 }]]));
  const before = await journal.load(0);
  await journal.abandon();
  const again = await open(storage);
  expect(await again.load(0)).toEqual(before);
  expect(before.get('late')).toEqual({ n: 2 });
  expect(before.has('drain/3')).toBe(false);
  await again.close();
});

test('a copy that cannot be written costs no entry, and leaves nothing behind', async () => {
  await using directory = await temporaryDirectory();
  const storage = new FailingStorage(new NodeStorage(directory.path));
  const errors: unknown[] = [];
  const journal = await open(storage, (error) => errors.push(error));
  storage.fault = (step, path) =>
    step === 'write' && path.includes('000000002') ? 'ENOSPC' : undefined;
  await fill(journal, () => errors.length > 0);
  // The old one goes on, and it is not tried with each entry.
  await journal.append(0, 1, new Map([['late', { n: 1 }]]));
  expect([errors.length, await names(storage)]).toEqual([1, ['000000001.journal']]);
  storage.fault = () => undefined;
  await fill(journal, () => storage.filesOpen > 1);
  await expect.poll(() => names(storage)).toEqual(['000000002.journal']);
  const before = await journal.load(0);
  await journal.close();
  const again = await open(storage);
  expect(await again.load(0)).toEqual(before);
  expect(before.get('late')).toEqual({ n: 1 });
  await again.close();
  expect(storage.filesOpen).toBe(0);
});

import { expect, test } from 'vitest';
import type { EmbeddedLog } from '../../../src/bus/embedded/embedded-log.ts';
import type { Storage } from '../../../src/bus/embedded/storage.ts';
import { appId } from '../../../src/core/ids.ts';
import { settle } from '../../support/fake-clock.ts';
import { linesRecord, textsOf } from '../../support/records.ts';
import { openSimulated } from '../../support/simulated-log.ts';
import { SimulatedDisk } from '../../support/simulated-storage.ts';

const one = appId(1);

/** Reads of its files wait while `gate` is shut; writes do not. */
function gated(storage: Storage, gate: { isOpen: boolean }): Storage {
  const waiting = async <T>(read: () => Promise<T>): Promise<T> => {
    while (!gate.isOpen) await new Promise((resolve) => setImmediate(resolve));
    return read();
  };
  const withMethod = <T extends object>(target: T, name: keyof T, method: unknown): T =>
    new Proxy(target, {
      get: (_, key) => {
        const value: unknown = key === name ? method : Reflect.get(target, key);
        return typeof value === 'function' && key !== name
          ? (value.bind(target) as unknown)
          : value;
      },
    });
  return withMethod(storage, 'open', async (path: string, mode: 'existing' | 'create') => {
    const file = await storage.open(path, mode);
    return withMethod(file, 'read', (into: Buffer, at: number) =>
      waiting(() => file.read(into, at)),
    );
  });
}

async function openGated() {
  const disk = new SimulatedDisk();
  const gate = { isOpen: true };
  const storage = gated(disk.attach(), gate);
  const { bus } = await openSimulated(storage, { options: { segmentBytes: 1 << 20 } });
  const start = (await bus.bounds(0)).oldest.position;
  const bytesRead = (): number => [...disk.bytesRead.values()].reduce((a, b) => a + b, 0);
  return { bus, gate, start, bytesRead };
}

const textsOfPage = async (bus: EmbeddedLog, ...args: Parameters<EmbeddedLog['read']>) =>
  (await bus.read(...args)).records.flatMap(({ record }) => textsOf(record.frames));

test('readers that ask for the same page at the same time read it once', async () => {
  const { bus, start, bytesRead } = await openGated();
  await bus.append([linesRecord(1, ['x'.repeat(5000)])]);
  const before = bytesRead();
  const pages = await Promise.all([1, 2, 3, 4, 5].map(() => bus.read(start, 1 << 20, one)));
  expect(bytesRead() - before).toBeGreaterThan(5000);
  expect(bytesRead() - before).toBeLessThan(10_000);
  for (const page of pages) expect(page).toBe(pages[0]);
  await bus.close();
});

test('who asks after lines became durable finds them, also where others began to read before', async () => {
  const { bus, gate, start } = await openGated();
  await bus.append([linesRecord(1, ['a'])]);
  gate.isOpen = false;
  const before = textsOfPage(bus, start, 1 << 20, one);
  await settle();
  await bus.append([linesRecord(1, ['b'])]);
  const after = textsOfPage(bus, start, 1 << 20, one);
  await settle();
  gate.isOpen = true;
  expect(await before).toEqual(['a']);
  expect(await after).toEqual(['a', 'b']);
  await bus.close();
});

import { copyFile, readFile, rm, truncate, writeFile } from 'node:fs/promises';
import { join } from 'node:path';
import { expect, test } from 'vitest';
import { FaultRig } from '../support/fault-rig.ts';
import { NumberedSender } from '../support/numbered-sender.ts';
import { eventually } from '../support/spillway-process.ts';

/** One character of the key becomes another one: it still looks like a key. */
async function exchangeKey(file: string): Promise<void> {
  const text = await readFile(file, 'latin1');
  const at = text.trimEnd().length - 10;
  await writeFile(file, `${text.slice(0, at)}${text[at] === 'A' ? 'B' : 'A'}${text.slice(at + 1)}`);
}

const damages = [
  { what: 'a key is another one', name: 'keys', damage: exchangeKey },
  { what: 'the key file is empty', name: 'keys', damage: (file: string) => truncate(file, 0) },
  { what: 'the key file is gone', name: 'keys', damage: (file: string) => rm(file) },
  {
    what: 'the registry is empty',
    name: 'registry.sqlite',
    damage: (file: string) => truncate(file, 0),
  },
  {
    what: 'the registry is cut short',
    name: 'registry.sqlite',
    damage: (file: string) => truncate(file, 9000),
  },
];

test(
  'a damaged key file or registry: each start refuses with 69 and names the file; with the copy back nothing is missing',
  { timeout: 90_000 },
  async () => {
    await using rig = await FaultRig.make();
    await rig.begin();
    rig.status = 503;
    const sender = new NumberedSender({ url: rig.publicUrl, token: rig.token });
    await eventually('lines are taken', () => sender.acked.size > 100);
    await sender.stop();
    expect(await rig.end('SIGTERM')).toBe(0);
    for (const { what, name, damage } of damages) {
      const file = join(rig.dataDir, name);
      const copy = join(rig.directory, `${name}.copy`);
      await copyFile(file, copy);
      await damage(file);
      // Not only the first time: what a refused start leaves behind must not look sound.
      for (let start = 0; start < 2; start++) {
        rig.launch();
        expect(await rig.exited, what).toBe(69);
        const refusal = rig.log.find(({ msg }) => msg === 'process.start_failed');
        expect(String(refusal?.['reason']), what).toContain(file);
      }
      await copyFile(copy, file);
    }
    rig.status = 204;
    rig.launch();
    await rig.ready();
    await eventually('all is delivered', () => [...sender.acked].every((n) => rig.arrived.has(n)));
    expect(sender.outOfOrder(rig.arrived)).toBe(0);
    expect(await rig.metric('spillway_conservation_imbalance_messages')).toBe(0);
  },
);

/**
 * How long a start takes on a large log: after an orderly end, and after a kill with a full active segment.
 * Usage: node bench/micro/start.ts [--gib 10]. Writes that many GiB below the system's directory for temporary files.
 */
import { rm, mkdtemp } from 'node:fs/promises';
import { tmpdir } from 'node:os';
import { join } from 'node:path';
import { parseArgs } from 'node:util';
import { openEmbedded } from '../../test/support/embedded.ts';
import { linesRecord } from '../../test/support/records.ts';

const { values } = parseArgs({ options: { gib: { type: 'string', default: '10' } } });
const gib = Number(values.gib);
const options = { retentionBytesMax: 2 ** 50 };
const apps = 1000;
const texts = Array.from({ length: 50 }, (_, i) => `${i} `.padEnd(150, 'x'));

const directory = await mkdtemp(join(tmpdir(), 'spillway-start-'));
try {
  const log = await openEmbedded(directory, options);
  const record = linesRecord(1, texts);
  for (let n = 0; log.bytes < gib * 2 ** 30;) {
    const group = Array.from({ length: 400 }, () => ({
      ...record,
      app: ((n++ % apps) + 1) as typeof record.app,
    }));
    await Promise.all(group.map((one) => log.append([one])));
  }
  process.stdout.write(
    `${(log.bytes / 2 ** 30).toFixed(1)} GiB, ${apps} apps, Node ${process.version}\n`,
  );
  // Nothing of it is closed: the next start finds what a kill leaves.
  for (const end of ['a kill', 'an orderly end']) {
    const startedMs = performance.now();
    const again = await openEmbedded(directory, options);
    process.stdout.write(`after ${end}: ${(performance.now() - startedMs).toFixed(0)} ms\n`);
    await again.close();
  }
} finally {
  await rm(directory, { recursive: true });
}

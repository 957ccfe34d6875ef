import { expect, test } from 'vitest';
import { AppError } from '../../src/core/errors.ts';
import { OptionShapes, type OptionSeal } from '../../src/drains/batch-shape.ts';
import type { OptionSetting, StoredOptions } from '../../src/drains/url/option-values.ts';
import { frame, linesRecord } from '../support/records.ts';
import { BodyPool } from '../../src/drains/formats/body-pool.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { WorkerKit } from '../support/worker-kit.ts';

const setting: OptionSetting = { kind: 'https', tls: true, insecureAllowed: false };

/** Never the same twice, as with a real key. */
class TestSeal implements OptionSeal {
  isLost = false;
  #count = 0;

  seal(text: string): string {
    return `${this.#count++}:${Buffer.from(text).toString('base64')}`;
  }

  open(sealed: string): string {
    if (this.isLost) throw new AppError('KEY_INVALID', 'the key is gone');
    return Buffer.from(sealed.replace(/^\d+:/, ''), 'base64').toString();
  }
}

const bodies = new BodyPool({ bodyPoolBytesMax: 0 });

function shapes(options: StoredOptions, seal: OptionSeal = new TestSeal()): OptionShapes {
  return new OptionShapes(
    { options, setting, token: 'd.token' },
    { seal, logger: silentLogger, bodies },
  );
}

test('a drain without options that shape its batches saves nothing', () => {
  const { current } = shapes({ gzip: true, batch_lines: 7, headers: { A: 'secret' } });
  expect(current).toMatchObject({ saved: undefined, contentType: 'application/logplex-1' });
});

test('what is saved opens again, and only the values that shape a batch are in it', () => {
  const seal = new TestSeal();
  const options = { gzip: true, format: 'rfc5424', sd: '[a@1]', headers: { A: 'x' } } as const;
  const { saved = '' } = shapes(options, seal).current;
  expect(JSON.parse(seal.open(saved))).toEqual({ format: 'rfc5424', sd: '[a@1]' });
  expect(saved).not.toContain('a@1');
});

test('without its key what was saved counts for nothing', () => {
  const seal = new TestSeal();
  const { saved } = shapes({ format: 'ndjson' }, seal).current;
  const later = shapes({ format: 'otlp' }, seal);
  expect(later.of(saved).contentType).toBe('application/x-ndjson');
  seal.isLost = true;
  expect(later.of(saved)).toBe(later.current);
});

/** A worker whose owner changes the options while a batch fails, and the process is killed. */
async function changedWhileFailing(
  before: StoredOptions,
  after: StoredOptions,
): Promise<WorkerKit> {
  const seal = new TestSeal();
  const kit = new WorkerKit({}, { shapes: shapes(before, seal) });
  kit.drain.answer = () => ({ kind: 'retry', reason: 'http_5xx' });
  kit.worker.start();
  const procs = ['web.1', 'worker.1', 'web.2'];
  const frames = Buffer.from(procs.map((proc, i) => frame(`line ${i}`, { proc })).join(''));
  await kit.bus.append([linesRecord(1, procs, { frames })]);
  await kit.clock.advance(1000);
  await kit.restart(shapes(after, seal));
  kit.drain.answer = () => ({ kind: 'delivered', rejected: 0 });
  await kit.bus.append([linesRecord(1, procs, { frames })]);
  await kit.clock.advance(60_000);
  return kit;
}

test.each<[string, StoredOptions, StoredOptions]>([
  ['none, then a format and a filter', {}, { format: 'ndjson', process: ['web'] }],
  ['a format and a filter, then none', { format: 'ndjson', process: ['web'] }, {}],
  ['a filter, then another', { process: ['web'] }, { process: ['worker'] }],
  ['the same again', { format: 'otlp' }, { format: 'otlp' }],
])('a batch that was sent before is sent again as it was cut: %s', async (_, before, after) => {
  const kit = await changedWhileFailing(before, after);
  const [first, ...others] = kit.drain.batches;
  const again = others.find(({ id }) => id === first?.id);
  expect(again).toEqual(first);
  expect(kit.worker.books).toMatchObject({ inflight: [], cursor: { seq: 6 } });
  const { delivered, filtered } = kit.worker.books.counts;
  expect(delivered + filtered).toBe(6);
});

test('new batches have the new options', async () => {
  const kit = await changedWhileFailing({}, { format: 'ndjson', process: ['web'] });
  const last = kit.drain.batches.at(-1);
  expect(last).toMatchObject({ contentType: 'application/x-ndjson', messages: 2 });
  expect(kit.worker.books.counts).toMatchObject({ delivered: 5, filtered: 1 });
});

test('the pieces of a batch that the receiver does not want as it was are cut anew, with the new options', async () => {
  const seal = new TestSeal();
  const kit = new WorkerKit({}, { shapes: shapes({}, seal) });
  kit.drain.answer = () => ({ kind: 'retry', reason: 'http_5xx' });
  kit.worker.start();
  await kit.bus.append([linesRecord(1, ['one', 'two'])]);
  await kit.clock.advance(1000);
  await kit.restart(shapes({ format: 'ndjson' }, seal));
  kit.drain.answer = ({ contentType }) =>
    contentType === 'application/x-ndjson'
      ? { kind: 'delivered', rejected: 0 }
      : { kind: 'split', status: 400 };
  await kit.clock.advance(60_000);
  expect(kit.worker.books.counts).toMatchObject({ delivered: 2, refused: 0 });
});

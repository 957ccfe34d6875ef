import { expect, test } from 'vitest';
import { DependencyError } from '../../src/core/errors.ts';
import { RejectionAnnouncer } from '../../src/ingest/rejections.ts';
import { FakeClock, settle } from '../support/fake-clock.ts';
import { MemoryLog } from '../support/memory-log.ts';
import { linesRecord, textsOf } from '../support/records.ts';
import { silentLogger } from '../support/silent-logger.ts';
import { storedIn } from './ingest-harness.ts';

const noticeIntervalMs = 10_000;

function announcer(log: MemoryLog, clock: FakeClock): RejectionAnnouncer {
  return new RejectionAnnouncer({ noticeIntervalMs }, { bus: log, clock, logger: silentLogger });
}

async function started(log: MemoryLog, clock: FakeClock): Promise<RejectionAnnouncer> {
  const made = announcer(log, clock);
  made.start();
  await settle();
  return made;
}

async function noticesIn(log: MemoryLog): Promise<string[]> {
  const stored = await storedIn(log);
  return stored.flatMap(({ record }) =>
    record.notice ? [`${record.app} ${record.notice.id} ${textsOf(record.frames).join()}`] : [],
  );
}

const since = 'since 2026-01-01T00:00:00+00:00.';

test('says once in an interval, for each app and code, exactly how many lines are missing', async () => {
  const log = new MemoryLog();
  const clock = new FakeClock();
  const made = await started(log, clock);
  await log.append([linesRecord(1, ['a'], { rejected: { malformed: 2, count_mismatch: 1 } })]);
  await log.append([linesRecord(1, ['b'])]);
  await log.append([
    linesRecord(1, [], { kind: 'empty', rejected: { rate_limited: 5, malformed: 1 } }),
  ]);
  await log.append([linesRecord(2, ['c'], { rejected: { rate_limited: 7 } })]);
  await clock.advance(noticeIntervalMs);
  expect(await noticesIn(log)).toEqual([
    `1 L17-0-0-2 Error L17 (malformed input): 4 messages rejected ${since}`,
    `1 L16-0-2-2 Error L16 (ingest rate limit): 5 messages dropped ${since}`,
    `2 L16-0-3-3 Error L16 (ingest rate limit): 7 messages dropped ${since}`,
  ]);
  await clock.advance(5 * noticeIntervalMs);
  expect(await noticesIn(log)).toHaveLength(3);
  await made.close();
});

test('tries again what could not be announced, as it was', async () => {
  const log = new MemoryLog();
  const clock = new FakeClock();
  const made = await started(log, clock);
  await log.append([linesRecord(1, ['a'], { rejected: { malformed: 2 } })]);
  log.refuse = new DependencyError('BUS_OVERLOADED', 'full');
  await clock.advance(noticeIntervalMs);
  log.refuse = undefined;
  await log.append([linesRecord(1, ['a'], { rejected: { malformed: 3 } })]);
  await clock.advance(2 * noticeIntervalMs);
  expect(await noticesIn(log)).toEqual([
    `1 L17-0-0-0 Error L17 (malformed input): 2 messages rejected ${since}`,
    `1 L17-0-1-1 Error L17 (malformed input): 3 messages rejected ${since}`,
  ]);
  await made.close();
});

test('announces after a crash what was not announced, and nothing twice', async () => {
  const log = new MemoryLog();
  const clock = new FakeClock();
  const first = await started(log, clock);
  await log.append([linesRecord(1, ['a'], { rejected: { malformed: 2 } })]);
  await clock.advance(noticeIntervalMs);
  await log.append([linesRecord(1, ['a'], { rejected: { malformed: 3 } })]);
  await first.close();
  const second = await started(log, clock);
  await log.append([linesRecord(1, ['a'], { rejected: { malformed: 4 } })]);
  await clock.advance(noticeIntervalMs);
  await second.close();
  const third = await started(log, clock);
  await clock.advance(noticeIntervalMs);
  expect((await noticesIn(log)).map((notice) => notice.split(' ')[1])).toEqual([
    'L17-0-0-0',
    'L17-0-2-3',
  ]);
  expect((await noticesIn(log))[1]).toContain(': 7 messages');
  await third.close();
});

test('knows from the log alone which notices were made, when their checkpoint was lost', async () => {
  const log = new MemoryLog();
  const clock = new FakeClock();
  const first = await started(log, clock);
  await log.append([linesRecord(1, ['a'], { rejected: { malformed: 2 } })]);
  await log.append([linesRecord(2, ['a'], { rejected: { malformed: 9 } })]);
  // The append was held up: another rejection got between its decision and its place in the log.
  const notice = { id: 'L17-0-0-0', exceptDrain: undefined };
  await log.append([linesRecord(1, ['a'], { rejected: { malformed: 5 } })]);
  await log.append([linesRecord(1, ['…'], { kind: 'notice', notice })]);
  await first.close();
  const second = await started(log, clock);
  await clock.advance(noticeIntervalMs);
  const made = (await noticesIn(log))
    .slice(1)
    .map((text) => text.slice(0, text.indexOf(' messages')));
  expect(made).toEqual([
    '2 L17-0-1-1 Error L17 (malformed input): 9',
    '1 L17-0-2-2 Error L17 (malformed input): 5',
  ]);
  await second.close();
});

test('announces what a life left that ended before its first checkpoint, and nothing twice', async () => {
  const log = new MemoryLog();
  const clock = new FakeClock();
  const notice = { id: 'L17-0-0-0', exceptDrain: undefined };
  await log.append([linesRecord(1, ['a'], { rejected: { malformed: 2 } })]);
  await log.append([linesRecord(1, ['…'], { kind: 'notice', notice })]);
  await log.append([linesRecord(1, ['a'], { rejected: { malformed: 3 } })]);
  const made = await started(log, clock);
  await clock.advance(noticeIntervalMs);
  expect((await noticesIn(log)).slice(1)).toEqual([
    `1 L17-0-2-2 Error L17 (malformed input): 3 messages rejected ${since}`,
  ]);
  await made.close();
});

test('moves its checkpoint on with the log, and not beyond what is unannounced', async () => {
  const log = new MemoryLog();
  const clock = new FakeClock();
  const made = await started(log, clock);
  const through = async (): Promise<unknown> =>
    (await log.checkpoints.load(0)).get('rejections')?.['through'];
  for (let i = 0; i < 5; i++) await log.append([linesRecord(1, ['a'])]);
  await clock.advance(noticeIntervalMs);
  expect(await through()).toBe(5);
  await log.append([linesRecord(1, ['a'], { rejected: { malformed: 2 } })]);
  log.refuse = new DependencyError('BUS_OVERLOADED', 'full');
  await clock.advance(noticeIntervalMs);
  expect(await through()).toBe(5);
  log.refuse = undefined;
  await clock.advance(noticeIntervalMs);
  expect(await through()).toBe(7);
  await made.close();
});

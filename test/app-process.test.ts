import { EventEmitter } from 'node:events';
import { expect, test } from 'vitest';
import { runApp, type AppProcessParts, type RunningApp } from '../src/app-process.ts';
import { ConfigError, DependencyError, InvariantError } from '../src/core/errors.ts';
import { FakeClock, settle } from './support/fake-clock.ts';

const options = { shutdownMsMax: 25_000, exitGraceMs: 1_000, signalRepeatMs: 100 };

test('says where it listens, waits for a signal, closes and exits with 0', async () => {
  const run = new Run();
  await run.start();
  expect(run.announced).toEqual([
    'Spillway listens on http://127.0.0.1:1 (API, /logs, tails) and http://127.0.0.1:2 (operator).',
  ]);
  expect(run.exits).toEqual([]);
  run.signals.emit('SIGTERM', 'SIGTERM');
  await run.ended;
  expect(run.exits).toEqual([0]);
});

test('says where it takes syslog, when it does', async () => {
  const run = new Run({ syslogUrls: ['syslog+tls://127.0.0.1:3'] });
  await run.start();
  expect(run.announced[1]).toBe('It takes syslog on syslog+tls://127.0.0.1:3.');
});

test('an empty data directory gets the first three commands', async () => {
  const run = new Run({ firstStart: true });
  await run.start();
  expect(run.announced.filter((line) => /^# \d\. /.test(line))).toHaveLength(3);
});

test('a close that takes too long is told so, and what is stuck even then is a bug', async () => {
  const told: unknown[] = [];
  const run = new Run({
    close: (signal) => {
      signal.addEventListener('abort', () => told.push(signal.reason));
      return new Promise(() => undefined);
    },
  });
  await run.start();
  run.signals.emit('SIGTERM', 'SIGTERM');
  await settle();
  await run.clock.advance(25_000);
  expect(told).toEqual([new Error('the time to stop is over')]);
  expect(run.exits).toEqual([]);
  await run.clock.advance(1_000);
  await run.ended;
  expect(run.exits).toEqual([70]);
});

test('a close that ends when told so exits with 0', async () => {
  const run = new Run({
    close: (signal) =>
      new Promise((resolve) => signal.addEventListener('abort', () => resolve(undefined))),
  });
  await run.start();
  run.signals.emit('SIGINT', 'SIGINT');
  await settle();
  await run.clock.advance(25_000);
  await run.ended;
  expect(run.exits).toEqual([0]);
});

test.each([
  ['SIGINT', 130],
  ['SIGTERM', 143],
])('a second signal, %s, exits at once with %d', async (name, code) => {
  const run = new Run({ close: () => new Promise(() => undefined) });
  await run.start();
  run.signals.emit('SIGTERM', 'SIGTERM');
  await run.clock.advance(101);
  run.signals.emit(name, name);
  expect(run.exits).toEqual([code]);
});

test('the same Ctrl-C from the terminal and from npm is one signal', async () => {
  const run = new Run({ close: () => new Promise(() => undefined) });
  await run.start();
  run.signals.emit('SIGINT', 'SIGINT');
  await run.clock.advance(5);
  run.signals.emit('SIGINT', 'SIGINT');
  expect(run.exits).toEqual([]);
});

test('a signal during the start is obeyed after it', async () => {
  const run = new Run();
  run.begin();
  run.signals.emit('SIGTERM', 'SIGTERM');
  await run.ended;
  expect(run.exits).toEqual([0]);
});

test('a start that waits for something gives up at a signal, and that is a good end', async () => {
  const run = new Run({
    start: (_onFatal, stopping) =>
      new Promise((_resolve, reject) => {
        stopping.addEventListener('abort', () => reject(stopping.reason as Error));
      }),
  });
  run.begin();
  run.signals.emit('SIGTERM', 'SIGTERM');
  await run.ended;
  expect(run.exits).toEqual([0]);
});

test('a fatal error ends the process with its code, without a close', async () => {
  const run = new Run();
  await run.start();
  run.onFatal(new Error('EIO'), 74);
  expect(run.exits).toEqual([74]);
  expect(run.logged).toContainEqual(['error', 'process.fatal']);
});

test.each([
  [new ConfigError(['A is wrong', 'B is wrong']), 78, /A is wrong\n.*B is wrong/],
  [new DependencyError('DATA_DIR_LOCKED', 'another process has it'), 69, /another process has it/],
  [Object.assign(new Error('listen EADDRINUSE'), { syscall: 'listen' }), 69, /EADDRINUSE/],
])('a start that the operator can mend says how: %s', async (error, code, text) => {
  const run = new Run({ start: () => Promise.reject(error) });
  run.begin();
  await run.ended;
  expect(run.exits).toEqual([code]);
  expect(run.announced.join('\n')).toMatch(text);
});

test.each([new InvariantError('a bug'), new TypeError('a bug')])(
  'a start that fails by a bug is logged: %s',
  async (error) => {
    const run = new Run({ start: () => Promise.reject(error) });
    run.begin();
    await run.ended;
    expect(run.exits).toEqual([70]);
    expect(run.logged).toContainEqual(['error', 'process.start_failed']);
  },
);

test('a close that fails is a bug', async () => {
  const run = new Run({ close: () => Promise.reject(new Error('a bug')) });
  await run.start();
  run.signals.emit('SIGTERM', 'SIGTERM');
  await run.ended;
  expect(run.exits).toEqual([70]);
});

/** One run of the process, with a fake app in it. */
class Run {
  readonly clock = new FakeClock();
  readonly signals = new EventEmitter();
  readonly announced: string[] = [];
  readonly exits: number[] = [];
  readonly logged: [level: string, event: string][] = [];
  ended: Promise<void> = Promise.resolve();
  onFatal: (error: unknown, exitCode: number) => void = () => undefined;
  readonly #parts: AppProcessParts;

  constructor(fake: Partial<RunningApp> & { start?: AppProcessParts['start'] } = {}) {
    const app: RunningApp = {
      publicUrl: 'http://127.0.0.1:1',
      adminUrl: 'http://127.0.0.1:2',
      syslogUrls: [],
      firstStart: false,
      close: () => Promise.resolve(),
      ...fake,
    };
    const log = (level: string) => (_: object, event: string) => this.logged.push([level, event]);
    this.#parts = {
      start: (onFatal, stopping) => {
        this.onFatal = onFatal;
        return fake.start?.(onFatal, stopping) ?? Promise.resolve(app);
      },
      signals: this.signals,
      exit: (code) => this.exits.push(code),
      announce: (line) => this.announced.push(line),
      clock: this.clock,
      logger: { debug: log('debug'), info: log('info'), warn: log('warn'), error: log('error') },
    };
  }

  begin(): void {
    this.ended = runApp(options, this.#parts);
  }

  async start(): Promise<void> {
    this.begin();
    await settle();
  }
}

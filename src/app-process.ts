import type { Clock } from './core/clock.ts';
import { AppError, InvariantError } from './core/errors.ts';
import type { Logger } from './core/logger.ts';
import { firstSteps } from './first-steps.ts';

/** What the process needs to know of the app that it runs. */
export interface RunningApp {
  readonly publicUrl: string;
  readonly adminUrl: string;
  readonly syslogUrls: readonly string[];
  /** The data directory was empty. */
  readonly firstStart: boolean;
  /** Ends in good order; `signal` says when waiting is over and it must simply stop. */
  close(signal: AbortSignal): Promise<void>;
}

export interface AppProcessOptions {
  readonly shutdownMsMax: number;
  readonly exitGraceMs: number;
  readonly signalRepeatMs: number;
}

export interface AppProcessParts {
  /** `stopping` aborts at the first signal: a start that waits for something then gives up. */
  readonly start: (
    onFatal: (error: unknown, exitCode: number) => void,
    stopping: AbortSignal,
  ) => Promise<RunningApp>;
  readonly signals: { on(name: NodeJS.Signals, listener: (name: NodeJS.Signals) => void): unknown };
  readonly exit: (code: number) => void;
  readonly announce: (line: string) => void;
  readonly clock: Clock;
  readonly logger: Logger;
}

export const exitCodes = {
  ok: 0,
  usage: 64,
  unavailable: 69,
  software: 70,
  config: 78,
  bySignal: { SIGINT: 130, SIGTERM: 143 },
} as const;

/**
 * The life of the process: start → say where it listens → wait for a signal → close → exit.
 * A signal during the start is obeyed right after it, or at once where the start waits for the disk; a second one
 * ends the process at once.
 */
export async function runApp(options: AppProcessOptions, parts: AppProcessParts): Promise<void> {
  const { logger } = parts;
  const stop = whenSignalled(options, parts);
  const stopping = new AbortController();
  void stop.then((signal) => stopping.abort(new Error(`stopped by ${signal}`)));
  const onFatal = (error: unknown, exitCode: number): void => {
    logger.error({ err: error, exitCode }, 'process.fatal');
    parts.exit(exitCode);
  };
  let app: RunningApp;
  try {
    app = await parts.start(onFatal, stopping.signal);
  } catch (error) {
    if (stopping.signal.aborted && isCausedBy(error, stopping.signal.reason)) {
      logger.info({}, 'process.stopped');
      parts.exit(exitCodes.ok);
      return;
    }
    parts.exit(reportFailedStart(error, parts));
    return;
  }
  const { publicUrl, adminUrl, syslogUrls } = app;
  logger.info({ publicUrl, adminUrl, syslogUrls }, 'process.ready');
  parts.announce(
    `Spillway listens on ${publicUrl} (API, /logs, tails) and ${adminUrl} (operator).`,
  );
  for (const url of syslogUrls) parts.announce(`It takes syslog on ${url}.`);
  if (app.firstStart) for (const line of firstSteps(publicUrl)) parts.announce(line);
  logger.info({ signal: await stop }, 'process.stopping');
  parts.exit(await close(app, options, parts));
}

/** An aborted wait rejects with the signal's reason, or with an error that names it as its cause. */
function isCausedBy(error: unknown, reason: unknown): boolean {
  return error === reason || (error instanceof Error && error.cause === reason);
}

/** Resolves at the first signal. */
function whenSignalled(options: AppProcessOptions, parts: AppProcessParts): Promise<string> {
  const { promise, resolve } = Promise.withResolvers<string>();
  let firstAtMs: number | undefined;
  const obey = (name: NodeJS.Signals): void => {
    const nowMs = parts.clock.monotonicMs();
    if (firstAtMs === undefined) {
      firstAtMs = nowMs;
      resolve(name);
    } else if (nowMs - firstAtMs > options.signalRepeatMs) {
      parts.logger.warn({ signal: name }, 'process.stopped_at_once');
      parts.exit(exitCodes.bySignal[name === 'SIGINT' ? 'SIGINT' : 'SIGTERM']);
    }
  };
  parts.signals.on('SIGTERM', obey);
  parts.signals.on('SIGINT', obey);
  return promise;
}

async function close(
  app: RunningApp,
  options: AppProcessOptions,
  { clock, logger }: AppProcessParts,
): Promise<number> {
  const deadline = new AbortController();
  const closed = new AbortController();
  clock.after(options.shutdownMsMax, () => {
    logger.warn({ shutdownMsMax: options.shutdownMsMax }, 'process.stop_deadline');
    deadline.abort(new Error('the time to stop is over'));
  });
  const stuck = async (): Promise<number> => {
    await clock.sleep(options.shutdownMsMax + options.exitGraceMs, closed.signal);
    logger.error({}, 'process.stop_stuck');
    return exitCodes.software;
  };
  const ended = async (): Promise<number> => {
    try {
      await app.close(deadline.signal);
      logger.info({}, 'process.stopped');
      return exitCodes.ok;
    } catch (error) {
      logger.error({ err: error }, 'process.stop_failed');
      return exitCodes.software;
    }
  };
  // `closed` ends the other wait, whose rejection is then nobody's: the race has its winner.
  return Promise.race([ended(), stuck()]).finally(() => closed.abort());
}

/** What the operator can mend is one sentence; what is our bug is a log line with its stack. */
function reportFailedStart(error: unknown, { announce, logger }: AppProcessParts): number {
  if (error instanceof AppError && error.code === 'CONFIG_INVALID') {
    announce(`spillway: ${error.message}`);
    return exitCodes.config;
  }
  if (isForOperator(error)) {
    logger.error({ reason: error.message }, 'process.start_failed');
    announce(`spillway: cannot start: ${error.message}`);
    return exitCodes.unavailable;
  }
  logger.error({ err: error }, 'process.start_failed');
  return exitCodes.software;
}

/** Errors of ours that are no bug, and those of the system: the port is taken, the directory is not writable. */
function isForOperator(error: unknown): error is Error {
  if (error instanceof AppError) return !(error instanceof InvariantError);
  return error instanceof Error && 'syscall' in error;
}

import { pino, type Logger } from 'pino';
import pretty from 'pino-pretty';

export interface ProcessLoggerOptions {
  readonly level: 'debug' | 'info' | 'warn' | 'error';
  /** One JSON object a line, for machines; otherwise a line for people. */
  readonly json: boolean;
}

const stderr = 2;

/** The program's own log lines, on stderr, written at once: what is logged before an exit is seen. */
export function createProcessLogger({ level, json }: ProcessLoggerOptions): Logger {
  const destination = json
    ? pino.destination({ fd: stderr, sync: true })
    : pretty({
        destination: stderr,
        sync: true,
        ignore: 'pid,hostname',
        translateTime: 'SYS:HH:MM:ss.l',
      });
  return pino({ level, base: { pid: process.pid } }, destination);
}

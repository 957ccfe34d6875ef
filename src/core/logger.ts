/** What we need of a logger. Events, not prose: `logger.warn({ drainId, reason }, 'drain.delivery_failed')`. */
export interface Logger {
  debug(fields: object, event: string): void;
  info(fields: object, event: string): void;
  warn(fields: object, event: string): void;
  error(fields: object, event: string): void;
}

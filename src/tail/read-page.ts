import type { LogBus, Page } from '../bus/bus.ts';
import type { Clock } from '../core/clock.ts';
import { AppError } from '../core/errors.ts';
import type { AppId } from '../core/ids.ts';
import type { Position } from '../core/position.ts';

/** A page is this long: one read of the log, one step of a client's history. */
export const pageBytes = 64 * 1024;

const retryMs = 1000;

/**
 * Reads the app's log from `from`; waits while the log cannot be read at all.
 * @throws AppError that is not retryable, or the signal's reason.
 */
export async function readPage(
  parts: { readonly bus: LogBus; readonly clock: Clock },
  app: AppId,
  from: Position,
  signal: AbortSignal,
): Promise<Page> {
  for (;;) {
    try {
      const page = await parts.bus.read(from, pageBytes, app);
      signal.throwIfAborted();
      return page;
    } catch (error) {
      if (!(error instanceof AppError && error.retryable)) throw error;
    }
    await parts.clock.sleep(retryMs, signal);
  }
}

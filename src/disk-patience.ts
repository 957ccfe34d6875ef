import type { Clock } from './core/clock.ts';
import type { Logger } from './core/logger.ts';
import type { Service } from './core/service.ts';

export interface DiskPatienceOptions {
  /** How soon the disk is tried again after it was full. */
  readonly diskFullRetryMs: number;
  /** How soon after it failed: each try may copy a segment. */
  readonly diskFailedRetryMs: number;
}

export interface DiskPatienceParts {
  readonly clock: Clock;
  readonly logger: Logger;
  /** What `/readyz` names. */
  readonly readiness: Map<string, Pick<Service, 'problem'>>;
  /** Aborts when the process is to stop. */
  readonly stopping: AbortSignal;
}

/**
 * Opens something that needs the disk, again and again while the disk refuses: exiting would only start it anew on
 * the same disk, and nobody would hold the senders meanwhile. Any other failure is the caller's.
 */
export async function openPatiently<T>(
  name: string,
  open: () => Promise<T>,
  options: DiskPatienceOptions,
  parts: DiskPatienceParts,
): Promise<T> {
  for (;;) {
    try {
      const opened = await open();
      parts.readiness.delete(name);
      return opened;
    } catch (error) {
      const trouble = diskTrouble(error);
      if (trouble === undefined) throw error;
      const isNews = !parts.readiness.has(name);
      parts.readiness.set(name, { problem: () => `${problems[trouble]}; trying again` });
      parts.logger[isNews ? 'error' : 'debug']({ part: name, err: error }, 'start.disk_refused');
      const { diskFullRetryMs, diskFailedRetryMs } = options;
      await parts.clock.sleep(
        trouble === 'full' ? diskFullRetryMs : diskFailedRetryMs,
        parts.stopping,
      );
    }
  }
}

type DiskTrouble = 'full' | 'failed';

const problems = {
  full: 'no space left on the disk',
  failed: 'the disk failed',
} as const satisfies Record<DiskTrouble, string>;

const codes: Readonly<Record<string, DiskTrouble>> = {
  ENOSPC: 'full',
  EDQUOT: 'full',
  EIO: 'failed',
  // What Linux makes of a file system after an error of its device.
  EROFS: 'failed',
};

/** SQLITE_IOERR, SQLITE_FULL and SQLITE_CANTOPEN (no room for the files beside the database). */
const sqliteCodes: Readonly<Record<number, DiskTrouble>> = { 10: 'failed', 13: 'full', 14: 'full' };

/** Whether it was the disk that refused. */
export function isDiskTrouble(error: unknown): boolean {
  return diskTrouble(error) !== undefined;
}

/** How it refused, whoever wrapped its error. */
function diskTrouble(error: unknown): DiskTrouble | undefined {
  if (!(error instanceof Error)) return undefined;
  const { code, errcode } = error as { code?: unknown; errcode?: unknown };
  const found =
    codes[String(code)] ?? (typeof errcode === 'number' ? sqliteCodes[errcode & 0xff] : undefined);
  return found ?? diskTrouble(error.cause);
}

export type ErrorCode =
  | 'CONFIG_INVALID'
  | 'FRAME_MALFORMED'
  | 'BODY_INVALID'
  | 'BODY_TOO_LARGE'
  | 'BUS_UNAVAILABLE'
  | 'BUS_OVERLOADED'
  | 'BUS_CORRUPT'
  | 'DATA_DIR_LOCKED'
  | 'FORMAT_TOO_NEW'
  | 'REGISTRY_UNAVAILABLE'
  | 'REGISTRY_DAMAGED'
  | 'REGISTRY_CONFLICT'
  | 'MAIL_UNAVAILABLE'
  | 'WEBHOOK_UNAVAILABLE'
  | 'KEY_INVALID'
  | 'INVARIANT';

/** The base of all errors that we throw on purpose. `retryable`: the same call may succeed later. */
export class AppError extends Error {
  override readonly name: string = 'AppError';
  readonly code: ErrorCode;
  readonly retryable: boolean;

  constructor(
    code: ErrorCode,
    message: string,
    options: { retryable?: boolean; cause?: unknown } = {},
  ) {
    super(message, options.cause === undefined ? {} : { cause: options.cause });
    this.code = code;
    this.retryable = options.retryable ?? false;
  }
}

/** The environment cannot be started with; lists every problem. The process exits with 78 (EX_CONFIG). */
export class ConfigError extends AppError {
  override readonly name = 'ConfigError';
  readonly problems: readonly string[];

  constructor(problems: readonly string[]) {
    super(
      'CONFIG_INVALID',
      `invalid configuration:\n${problems.map((p) => `  - ${p}`).join('\n')}`,
    );
    this.problems = problems;
  }
}

/** A part that we depend on (disk, broker, database, mail) cannot serve now. Always retryable. */
export class DependencyError extends AppError {
  override readonly name = 'DependencyError';

  constructor(code: ErrorCode, message: string, cause?: unknown) {
    super(code, message, { retryable: true, cause });
  }
}

/** A bug of ours: logged, and the process ends rather than going on with a state it does not understand. */
export class InvariantError extends AppError {
  override readonly name = 'InvariantError';

  constructor(message: string) {
    super('INVARIANT', message);
  }
}

import { gunzip, gunzipSync } from 'node:zlib';
import { AppError } from '../core/errors.ts';

export interface InflaterOptions {
  /** Larger bodies are refused. */
  readonly bodyBytesMax: number;
}

/** A thread costs more than inflating a small body. */
const syncBytesMax = 100_000;
/** What a small body may become while the loop waits; beyond it a thread does it. */
const syncInflatedBytesMax = 1024 * 1024;
/** The pool's threads also fsync the log. */
const threadsMax = 2;

/** gunzip, bounded in its output and in the threads that it occupies. */
export class Inflater {
  readonly #options: InflaterOptions;
  readonly #waiting: (() => void)[] = [];
  #threads = 0;

  constructor(options: InflaterOptions) {
    this.#options = options;
  }

  /** @throws AppError BODY_INVALID, or BODY_TOO_LARGE; also as a rejection. */
  inflate(body: Buffer): Buffer | Promise<Buffer> {
    if (body.length > syncBytesMax) return this.#inThread(body);
    const bytesMax = Math.min(syncInflatedBytesMax, this.#options.bodyBytesMax);
    try {
      return gunzipSync(body, { maxOutputLength: bytesMax });
    } catch (error) {
      if (isTooLarge(error) && bytesMax < this.#options.bodyBytesMax) return this.#inThread(body);
      throw bodyError(error);
    }
  }

  async #inThread(body: Buffer): Promise<Buffer> {
    if (this.#threads >= threadsMax) await new Promise<void>((go) => this.#waiting.push(go));
    else this.#threads++;
    try {
      return await gunzipBounded(body, this.#options.bodyBytesMax);
    } finally {
      const next = this.#waiting.shift();
      if (next) next();
      else this.#threads--;
    }
  }
}

function gunzipBounded(body: Buffer, maxOutputLength: number): Promise<Buffer> {
  return new Promise((resolve, reject) => {
    gunzip(body, { maxOutputLength }, (error, inflated) => {
      if (error) reject(bodyError(error));
      else resolve(inflated);
    });
  });
}

function isTooLarge(error: unknown): boolean {
  return error instanceof Error && 'code' in error && error.code === 'ERR_BUFFER_TOO_LARGE';
}

function bodyError(error: unknown): AppError {
  return isTooLarge(error)
    ? new AppError('BODY_TOO_LARGE', 'the inflated body is too large', { cause: error })
    : new AppError('BODY_INVALID', 'the body is not gzip', { cause: error });
}

import { errors } from 'undici';
import type { Delivery } from '../drain.ts';
import { classifySocketError, type DialFailure } from '../egress/dial-failure.ts';

/** What a request that got no status means for the batch: to be tried again, but for an address that is blocked. */
export function classifyError(error: unknown): Delivery {
  const failure = failureOf(error);
  return failure.reason === 'blocked_address'
    ? { kind: 'hold', reason: failure.reason }
    : { kind: 'retry', ...failure };
}

function failureOf(error: unknown): DialFailure {
  if (isProtocolError(error)) return { reason: 'protocol' };
  return classifySocketError(error);
}

/** The receiver does not speak HTTP, or not correctly. */
function isProtocolError(error: unknown): boolean {
  if (error instanceof errors.SocketError) return error.message.startsWith('bad ');
  return (
    error instanceof errors.HTTPParserError ||
    error instanceof errors.HeadersOverflowError ||
    error instanceof errors.ResponseContentLengthMismatchError
  );
}

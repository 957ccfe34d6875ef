/** An answer other than success: the status and the messages that the client shows as they are. */
export class ApiError extends Error {
  override readonly name = 'ApiError';
  readonly status: number;
  readonly messages: readonly string[];
  readonly headers: Readonly<Record<string, string>>;

  constructor(
    status: number,
    messages: string | readonly string[],
    headers: Readonly<Record<string, string>> = {},
  ) {
    const list = typeof messages === 'string' ? [messages] : messages;
    super(list.join('; '));
    this.status = status;
    this.messages = list;
    this.headers = headers;
  }
}

/** The body of every answer that is not a success. Clients read the messages under the empty field name. */
export function errorBody(messages: readonly string[]): string {
  return JSON.stringify({ errors: { '': messages } });
}

/**
 * No credentials, wrong ones, no such app, or no right to it: one answer, so that it tells nobody what
 * exists. The CLI shows a text of its own that fits all of them.
 */
export function unauthorised(
  message = 'You are not allowed to do this, or it does not exist.',
): ApiError {
  return new ApiError(401, message, { 'www-authenticate': 'Basic realm="Gigalixir"' });
}

export function invalid(...messages: readonly string[]): ApiError {
  return new ApiError(422, messages);
}

export function notFound(message: string): ApiError {
  return new ApiError(404, message);
}

export function tooMany(retryAfterMs: number): ApiError {
  return new ApiError(429, 'Too many attempts. Please try again later.', {
    'retry-after': String(Math.max(1, Math.ceil(retryAfterMs / 1000))),
  });
}

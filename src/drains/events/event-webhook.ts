import { request } from 'undici';
import { DependencyError } from '../../core/errors.ts';
import type { Secret } from '../../core/secret.ts';
import type { DrainEvent } from './drain-event.ts';

export interface EventWebhookOptions {
  /** The operator's own, and so not for the egress guard, which keeps users from the operator's network. */
  readonly url: Secret;
  readonly userAgent: string;
  readonly responseBytesMax: number;
}

export interface EventWebhookParts {
  /** Undefined when the app is gone. */
  readonly appName: (event: DrainEvent) => Promise<string | undefined>;
}

/**
 * Posts an event as one JSON object; any 2xx takes it, and redirects are not followed.
 * @throws DependencyError WEBHOOK_UNAVAILABLE when it was not taken.
 */
export async function postEvent(
  event: DrainEvent,
  options: EventWebhookOptions,
  parts: EventWebhookParts,
  signal: AbortSignal,
): Promise<void> {
  const app = await parts.appName(event);
  if (app === undefined) return;
  const url = new URL(options.url.reveal());
  const authorization = authorizationOf(url);
  url.username = url.password = '';
  try {
    const { statusCode, body } = await request(url, {
      method: 'POST',
      headers: {
        'content-type': 'application/json',
        'user-agent': options.userAgent,
        ...(authorization === undefined ? {} : { authorization }),
      },
      body: JSON.stringify(messageOf(event, app)),
      signal,
    });
    await body.dump({ limit: options.responseBytesMax, signal }).catch(() => undefined);
    if (statusCode < 200 || statusCode > 299) throw new Error(`answered ${statusCode}`);
  } catch (error) {
    throw new DependencyError('WEBHOOK_UNAVAILABLE', `the webhook ${failureOf(error)}`);
  }
}

/** The wire form; `docs/protocol.md` shows one. */
function messageOf(event: DrainEvent, app: string): object {
  return {
    event: `drain.${event.kind}`,
    app,
    drain: event.drain,
    url: event.maskedUrl,
    reason: event.reason ?? null,
    status: event.status ?? null,
    at: new Date(event.atMs).toISOString(),
  };
}

function authorizationOf({ username, password }: URL): string | undefined {
  if (username === '' && password === '') return undefined;
  const user = `${decodeURIComponent(username)}:${decodeURIComponent(password)}`;
  return `Basic ${Buffer.from(user).toString('base64')}`;
}

/** Without the error's own words, which may repeat the URL. */
function failureOf(error: unknown): string {
  const { code, message } = error as { code?: unknown; message?: unknown };
  if (typeof message === 'string' && message.startsWith('answered ')) return message;
  return `cannot be reached (${typeof code === 'string' ? code : 'unknown reason'})`;
}

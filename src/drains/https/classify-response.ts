import type { Delivery } from '../drain.ts';

/**
 * What a status means for the batch. 429 and 503 may say when to come back; 413, 400 and 422 are about the
 * batch, so a smaller one may pass; every other 4xx, and a redirect, which is never followed, is about the
 * drain: its owner has to do something.
 */
export function classifyResponse(
  status: number,
  retryAfter: string | undefined,
  nowMs: number,
): Delivery {
  if (status >= 200 && status < 300) return { kind: 'delivered', rejected: 0 };
  if (status === 429) return retry('http_429', status, retryAfterMs(retryAfter, nowMs));
  if (status === 503) return retry('http_5xx', status, retryAfterMs(retryAfter, nowMs));
  if (status >= 500 && status < 600) return retry('http_5xx', status, undefined);
  if (status === 408) return retry('http_4xx', status, undefined);
  if (status === 400 || status === 413 || status === 422) return { kind: 'split', status };
  if (status >= 400 && status < 500) return { kind: 'hold', reason: 'http_4xx', status };
  if (status >= 300 && status < 400) return { kind: 'hold', reason: 'http_3xx', status };
  return retry('protocol', status, undefined);
}

/**
 * `Retry-After` (RFC 9110 §10.2.3), seconds or a date, as a wait between a second and a quarter of an hour;
 * undefined for anything else.
 */
export function retryAfterMs(value: string | undefined, nowMs: number): number | undefined {
  const text = value?.trim() ?? '';
  const waitMs = /^\d+$/.test(text)
    ? Number(text) * 1000
    : imfFixdate.test(text)
      ? Date.parse(text) - nowMs
      : Number.NaN;
  return Number.isNaN(waitMs) ? undefined : Math.min(Math.max(waitMs, waitMsMin), waitMsMax);
}

const waitMsMin = 1000;
const waitMsMax = 15 * 60_000;
const imfFixdate = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;

function retry(
  reason: 'http_429' | 'http_5xx' | 'http_4xx' | 'protocol',
  status: number,
  afterMs: number | undefined,
): Delivery {
  return { kind: 'retry', reason, status, ...(afterMs === undefined ? {} : { afterMs }) };
}

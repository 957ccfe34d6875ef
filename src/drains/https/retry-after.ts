/** What a receiver may ask for. */
export interface RetryAfterLimits {
  readonly retryAfterMsMin: number;
  readonly retryAfterMsMax: number;
}

/**
 * `Retry-After` (RFC 9110 §10.2.3), seconds or a date, as a wait within the limits; undefined for anything else,
 * and then the wait is our own.
 */
export function retryAfterMs(
  value: string | undefined,
  { retryAfterMsMin, retryAfterMsMax }: RetryAfterLimits,
  nowMs: number,
): number | undefined {
  const text = value?.trim() ?? '';
  const waitMs = /^\d+$/.test(text) ? Number(text) * 1000 : dateMs(text) - nowMs;
  if (Number.isNaN(waitMs)) return undefined;
  return Math.min(Math.max(waitMs, retryAfterMsMin), retryAfterMsMax);
}

/** RFC 9110 §5.6.7: three notations, of which two are obsolete and still to be understood. NaN for any other. */
function dateMs(text: string): number {
  if (imfFixdate.test(text) || rfc850Date.test(text)) return Date.parse(text);
  return asctimeDate.test(text) ? Date.parse(`${text} GMT`) : Number.NaN;
}

const imfFixdate = /^[A-Z][a-z]{2}, \d{2} [A-Z][a-z]{2} \d{4} \d{2}:\d{2}:\d{2} GMT$/;
const rfc850Date = /^[A-Z][a-z]{5,8}, \d{2}-[A-Z][a-z]{2}-\d{2} \d{2}:\d{2}:\d{2} GMT$/;
const asctimeDate = /^[A-Z][a-z]{2} [A-Z][a-z]{2} [ \d]\d \d{2}:\d{2}:\d{2} \d{4}$/;

import { expect, test } from 'vitest';
import type { Delivery } from '../../../src/drains/drain.ts';
import { classifyResponse, retryAfterMs } from '../../../src/drains/https/classify-response.ts';

const nowMs = Date.UTC(2026, 0, 1, 12, 0, 0);

const rows: [number, Delivery][] = [
  [200, { kind: 'delivered', rejected: 0 }],
  [204, { kind: 'delivered', rejected: 0 }],
  [299, { kind: 'delivered', rejected: 0 }],
  [300, { kind: 'hold', reason: 'http_3xx', status: 300 }],
  [301, { kind: 'hold', reason: 'http_3xx', status: 301 }],
  [302, { kind: 'hold', reason: 'http_3xx', status: 302 }],
  [304, { kind: 'hold', reason: 'http_3xx', status: 304 }],
  [307, { kind: 'hold', reason: 'http_3xx', status: 307 }],
  [308, { kind: 'hold', reason: 'http_3xx', status: 308 }],
  [400, { kind: 'split', status: 400 }],
  [401, { kind: 'hold', reason: 'http_4xx', status: 401 }],
  [402, { kind: 'hold', reason: 'http_4xx', status: 402 }],
  [403, { kind: 'hold', reason: 'http_4xx', status: 403 }],
  [404, { kind: 'hold', reason: 'http_4xx', status: 404 }],
  [405, { kind: 'hold', reason: 'http_4xx', status: 405 }],
  [408, { kind: 'retry', reason: 'http_4xx', status: 408 }],
  [410, { kind: 'hold', reason: 'http_4xx', status: 410 }],
  [411, { kind: 'hold', reason: 'http_4xx', status: 411 }],
  [413, { kind: 'split', status: 413 }],
  [415, { kind: 'hold', reason: 'http_4xx', status: 415 }],
  [422, { kind: 'split', status: 422 }],
  [425, { kind: 'hold', reason: 'http_4xx', status: 425 }],
  [429, { kind: 'retry', reason: 'http_429', status: 429 }],
  [451, { kind: 'hold', reason: 'http_4xx', status: 451 }],
  [499, { kind: 'hold', reason: 'http_4xx', status: 499 }],
  [500, { kind: 'retry', reason: 'http_5xx', status: 500 }],
  [502, { kind: 'retry', reason: 'http_5xx', status: 502 }],
  [503, { kind: 'retry', reason: 'http_5xx', status: 503 }],
  [504, { kind: 'retry', reason: 'http_5xx', status: 504 }],
  [599, { kind: 'retry', reason: 'http_5xx', status: 599 }],
  [600, { kind: 'retry', reason: 'protocol', status: 600 }],
  [999, { kind: 'retry', reason: 'protocol', status: 999 }],
];

test.each(rows)('%i', (status, delivery) => {
  expect(classifyResponse(status, undefined, nowMs)).toEqual(delivery);
});

test('every status there can be has a class', () => {
  for (let status = 200; status < 1000; status++) {
    expect(classifyResponse(status, undefined, nowMs).kind).toMatch(
      /^(delivered|retry|split|hold)$/,
    );
  }
});

test.each([429, 503])('%i says when to come back', (status) => {
  expect(classifyResponse(status, '7', nowMs)).toMatchObject({ kind: 'retry', afterMs: 7000 });
});

test.each([200, 302, 404, 408, 500, 502])('%i does not', (status) => {
  expect(classifyResponse(status, '7', nowMs)).not.toHaveProperty('afterMs');
});

test.each([
  ['1', 1000],
  ['120', 120_000],
  [' 120 ', 120_000],
  ['0', 1000],
  ['999999', 900_000],
  ['9'.repeat(400), 900_000],
  ['Thu, 01 Jan 2026 12:00:30 GMT', 30_000],
  ['Thu, 01 Jan 2026 11:00:00 GMT', 1000],
  ['Fri, 01 Jan 2027 11:00:00 GMT', 900_000],
  ['-1', undefined],
  ['1.5', undefined],
  ['soon', undefined],
  ['2026-01-01T12:00:30Z', undefined],
  ['Thu, 99 Jan 2026 12:00:30 GMT', undefined],
  ['', undefined],
  [undefined, undefined],
])('Retry-After %s is %s ms', (value, waitMs) => {
  expect(retryAfterMs(value, nowMs)).toBe(waitMs);
});

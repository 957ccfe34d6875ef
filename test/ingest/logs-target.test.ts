import { expect, test } from 'vitest';
import { isLogsTarget } from '../../src/ingest/logs-target.ts';

test.each([
  '/logs',
  '/logs/',
  '/logs?a=b',
  '/logs/?',
  'http://logs.example/logs',
  'https://token:t.x@logs.example:8080/logs/?x',
  'HTTP://LOGS.EXAMPLE/logs',
])('%s is the log door', (target) => {
  expect(isLogsTarget(target)).toBe(true);
});

test.each([
  '/',
  '',
  '*',
  '/logs//',
  '/logs/x',
  '/logsx',
  '/Logs',
  '//logs',
  '/api/apps/x/logs',
  'http://logs.example',
  'http://logs.example/x/logs',
  'ftp://x/logs',
])('%s is not', (target) => {
  expect(isLogsTarget(target)).toBe(false);
});

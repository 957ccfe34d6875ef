import { expect, test } from 'vitest';
import { shownOptions } from '../../../src/drains/url/shown-options.ts';

test('of options that hold secrets only that they are there is shown', () => {
  const stored = {
    format: 'ndjson',
    gzip: true,
    source: ['demo'],
    ca: 'PEM',
    client_cert: 'PEM',
    headers: { 'DD-API-KEY': 'hunter2', Authorization: 'hunter2' },
    sd: '[hunter2@41058]',
    client_key: 'hunter2',
    of_a_later_version: 'hunter2',
  };
  expect(shownOptions(stored)).toEqual({
    format: 'ndjson',
    gzip: true,
    source: ['demo'],
    ca: 'PEM',
    client_cert: 'PEM',
    headers: { 'DD-API-KEY': '***', Authorization: '***' },
    sd: '***',
    client_key: '***',
    of_a_later_version: '***',
  });
});

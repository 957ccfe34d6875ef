import { expect, test } from 'vitest';
import { Secret } from '../../src/core/secret.ts';
import { DrainGate } from '../../src/drains/drain-gate.ts';
import { AddressPolicy } from '../../src/drains/egress/address-policy.ts';

const gate = new DrainGate({
  plain: false,
  insecure: false,
  addresses: new AddressPolicy({ allow: [] }),
});

const drain = {
  url: new Secret('https://user:pw@logs.example.com/in'),
  options: { format: 'ndjson', gzip: true, headers: { 'X-Key': 's3cret' } },
};

test('what is named is changed, null takes away, and all else stays', () => {
  expect(gate.changed(drain, { gzip: null, batch_lines: '10', format: 'otlp' })).toEqual({
    ok: true,
    options: { format: 'otlp', headers: { 'X-Key': 's3cret' }, batch_lines: 10 },
  });
  expect(gate.changed(drain, { strip_ansi: null })).toEqual({ ok: true, options: drain.options });
});

test('unknown and contradictory options are named, their values are not', () => {
  expect(gate.changed(drain, { colour: 'red', sd: '[a@1 b="s3cret"]' })).toEqual({
    ok: false,
    problems: ['unknown option "colour"', 'option sd needs format rfc5424, not ndjson'],
  });
  expect(gate.changed(drain, { colour: null, gzip: null })).toEqual({
    ok: false,
    problems: ['unknown option "colour"'],
  });
  const headers = { Authorization: 'Basic s3cret' };
  const verdict = gate.changed(drain, { headers });
  expect(verdict).toMatchObject({ ok: false });
  expect(JSON.stringify(verdict)).not.toContain('s3cret');
});

test('options that come back as they were shown are not taken for values', () => {
  const shown = gate.shown(drain.options);
  expect(gate.changed(drain, shown)).toEqual({
    ok: false,
    problems: ['option headers is masked: leave it out to keep it'],
  });
  expect(gate.changed(drain, { sd: '***' })).toMatchObject({ ok: false });
});

test('what the operator no longer allows shows when options are changed', () => {
  const plain = { url: new Secret('http://logs.example.com/'), options: {} };
  expect(gate.changed(plain, { gzip: true })).toMatchObject({ ok: false });
});

import { expect, test } from 'vitest';
import { DrainGate } from '../../src/drains/drain-gate.ts';
import { AddressPolicy } from '../../src/drains/egress/address-policy.ts';
import { CertificateAuthority } from '../support/certificates.ts';

const gate = new DrainGate({
  plain: false,
  insecure: false,
  addresses: new AddressPolicy({ allow: [] }),
});

test('an acceptable URL comes back canonical, masked, and with its options apart', () => {
  expect(gate.check('https://u:secret@Logs.example.com:443/in#format=rfc5424&gzip=1')).toEqual({
    ok: true,
    spec: {
      url: 'https://u:secret@logs.example.com/in',
      masked: 'https://u:***@logs.example.com/in',
      options: { format: 'rfc5424', gzip: true },
    },
  });
});

test('all problems of a URL are told at once', () => {
  expect(gate.check('https://u:secret@127.0.0.1:22/#x=1')).toEqual({
    ok: false,
    problems: ['address is not public', 'port is not allowed', 'unknown option "x"'],
  });
});

test('options come in the fragment, beside the URL, or some here and some there, but none twice', () => {
  const url = 'https://logs.example.com/in';
  const options = { format: 'ndjson', gzip: true };
  expect(gate.check(url, options)).toMatchObject({ ok: true, spec: { url, options } });
  expect(gate.check(`${url}#format=ndjson`, { gzip: true })).toMatchObject({ spec: { options } });
  expect(gate.check(`${url}#format=ndjson&gzip`, { gzip: true })).toEqual({
    ok: false,
    problems: ['option gzip is given twice'],
  });
});

test('options that contradict each other, or the URL, are told beside its other problems', () => {
  const url = 'https://u:secret@127.0.0.1/';
  const options = {
    framing: 'lf',
    format: 'otlp',
    headers: { Authorization: 'secret' },
    x: 'secret',
  };
  const verdict = gate.check(url, options);
  expect(verdict).toEqual({
    ok: false,
    problems: [
      'address is not public',
      'unknown option "x"',
      'options framing and format otlp contradict',
      "option headers: Authorization and the URL's user contradict",
    ],
  });
});

test('a URL may be 2048 characters long, and its options longer', () => {
  const url = `https://logs.example.com/${'x'.repeat(2000)}`;
  const headers = `headers.A=${'y'.repeat(4000)}`;
  expect(gate.check(`${url}#${headers}`)).toMatchObject({ ok: true });
  expect(gate.check(`${url}${'x'.repeat(100)}#${headers}`)).toEqual({
    ok: false,
    problems: ['is longer than 2048 characters'],
  });
  expect(gate.check(`${url}#${headers}${'y'.repeat(21_000)}`)).toEqual({
    ok: false,
    problems: ['has options longer than 24576 characters'],
  });
});

test('as many certificates as an option may have fit into a URL', () => {
  const pem = new CertificateAuthority().pem.repeat(20);
  const ca = Buffer.from(pem).toString('base64');
  expect(gate.check(`syslog+tls://logs.example.com#ca=${ca}`)).toMatchObject({ ok: true });
});

test('what a gate lets in it shows again without its secrets', () => {
  expect(gate.shown({ gzip: true, client_key: 'secret' })).toEqual({
    gzip: true,
    client_key: '***',
  });
});

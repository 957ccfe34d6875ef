import { createPrivateKey, generateKeyPairSync, X509Certificate } from 'node:crypto';
import { expect, test } from 'vitest';
import { certificates, privateKey } from '../../../src/drains/url/certificate-option.ts';
import { parseOptions } from '../../../src/drains/url/drain-options.ts';
import { CertificateAuthority, selfSigned } from '../../support/certificates.ts';

const authority = new CertificateAuthority();
const leaf = authority.issue();
const setting = { kind: 'https', tls: true, insecureAllowed: true } as const;

function sameCertificate(pem: string | undefined, as: string): boolean {
  return pem !== undefined && new X509Certificate(pem).raw.equals(new X509Certificate(as).raw);
}

test('a certificate comes as PEM, or as base64 of PEM or of DER', () => {
  const { raw } = new X509Certificate(authority.pem);
  for (const value of [
    authority.pem,
    Buffer.from(authority.pem).toString('base64'),
    Buffer.from(authority.pem).toString('base64url'),
    raw.toString('base64'),
    raw.toString('base64url'),
  ]) {
    expect(sameCertificate(certificates(value), authority.pem)).toBe(true);
  }
});

test('several certificates stay several, whatever stands between them', () => {
  const both = certificates(`comment\n${authority.pem}\ncomment\n${leaf.cert}`);
  expect(both?.match(/BEGIN CERTIFICATE/g)).toHaveLength(2);
  expect(both).not.toContain('comment');
});

test.each([
  ['nothing', ''],
  ['a number', 7],
  ['words', 'no certificate'],
  ['a key', leaf.key],
  ['an empty block', '-----BEGIN CERTIFICATE-----\n-----END CERTIFICATE-----\n'],
  [
    'a broken one beside a good one',
    `${authority.pem}-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----`,
  ],
  ['too many', authority.pem.repeat(21)],
])('%s is no certificate', (_what, value) => {
  expect(certificates(value)).toBeUndefined();
});

test('a key comes in the same ways, and is stored in one', () => {
  const key = createPrivateKey(leaf.key);
  const der = key.export({ type: 'pkcs8', format: 'der' });
  const { privateKey: rsa } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  expect(privateKey(leaf.key)).toBe(leaf.key);
  expect(privateKey(der.toString('base64'))).toBe(leaf.key);
  expect(privateKey(rsa.export({ type: 'pkcs1', format: 'pem' }))).toContain('BEGIN PRIVATE KEY');
});

test('a key with a passphrase, and what is none, is refused', () => {
  const { privateKey: rsa } = generateKeyPairSync('rsa', { modulusLength: 2048 });
  const locked = rsa.export({
    type: 'pkcs8',
    format: 'pem',
    cipher: 'aes-256-cbc',
    passphrase: 'x',
  });
  for (const value of [locked, leaf.cert, 'x', '', undefined]) {
    expect(privateKey(value)).toBeUndefined();
  }
});

test('certificate and key need each other, and have to be a pair', () => {
  const problems = (given: Record<string, unknown>): readonly string[] =>
    parseOptions(given, setting).problems;
  expect(problems({ client_cert: leaf.cert, client_key: leaf.key })).toEqual([]);
  const together = ['options client_cert and client_key need each other'];
  expect(problems({ client_cert: leaf.cert })).toEqual(together);
  expect(problems({ client_key: leaf.key })).toEqual(together);
  expect(problems({ client_cert: leaf.cert, client_key: selfSigned().key })).toEqual([
    'option client_key is not the key of client_cert',
  ]);
  expect(problems({ ca: authority.pem, insecure: true })).toEqual([
    'options insecure and ca contradict',
  ]);
});

test('a client certificate that OpenSSL would not show is refused', () => {
  const { cert, key } = authority.issue({ isWeak: true });
  expect(parseOptions({ client_cert: cert, client_key: key }, setting).problems).toEqual([
    'option client_cert is too weak for TLS',
  ]);
});

import { createHash, generateKeyPairSync, randomBytes, sign, type KeyObject } from 'node:crypto';
import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';

/** A certificate and its key as PEM: what `tls.createServer` takes. */
export interface Credentials {
  readonly cert: string;
  readonly key: string;
  /** What a server needs that is to show a key that is too short. */
  readonly ciphers?: string;
}

export interface LeafOptions {
  /** Names and addresses that the certificate is for. */
  readonly hosts?: readonly string[];
  /** Days from now. */
  readonly fromDays?: number;
  readonly toDays?: number;
  /** 1,024 bits of RSA, which OpenSSL has long refused. */
  readonly isWeak?: boolean;
  /** For clients alone: no server may show it. */
  readonly isClientOnly?: boolean;
}

/** Makes X.509 certificates (RFC 5280) without any tool but Node, so that tests run everywhere. */
export class CertificateAuthority {
  readonly pem: string;
  readonly #keys = keyPair();
  readonly #name: Buffer;

  /** A root, or one that another authority vouches for. */
  constructor(commonName = 'Test Authority', parent?: CertificateAuthority) {
    this.#name = distinguishedName(commonName);
    const issuerKeys = parent ? parent.#keys : this.#keys;
    this.pem = certificate({
      issuer: parent ? parent.#name : this.#name,
      subject: this.#name,
      publicKey: this.#keys.publicKey,
      signer: issuerKeys.privateKey,
      issuerKey: issuerKeys.publicKey,
      isAuthority: true,
      leaf: {},
    });
  }

  issue(leaf: LeafOptions = {}): Credentials {
    const keys = leaf.isWeak === true ? weakKeyPair() : keyPair();
    const cert = certificate({
      issuer: this.#name,
      subject: distinguishedName('receiver'),
      publicKey: keys.publicKey,
      signer: this.#keys.privateKey,
      issuerKey: this.#keys.publicKey,
      isAuthority: false,
      leaf,
    });
    const ciphers = leaf.isWeak === true ? { ciphers: 'DEFAULT@SECLEVEL=0' } : {};
    return { cert, key: pemKey(keys.privateKey), ...ciphers };
  }
}

export function selfSigned(leaf: LeafOptions = {}): Credentials {
  const keys = keyPair();
  const name = distinguishedName('receiver');
  const cert = certificate({
    issuer: name,
    subject: name,
    publicKey: keys.publicKey,
    signer: keys.privateKey,
    issuerKey: keys.publicKey,
    isAuthority: false,
    leaf,
  });
  return { cert, key: pemKey(keys.privateKey) };
}

interface Certificate {
  readonly issuer: Buffer;
  readonly subject: Buffer;
  readonly publicKey: KeyObject;
  readonly signer: KeyObject;
  readonly issuerKey: KeyObject;
  readonly isAuthority: boolean;
  readonly leaf: LeafOptions;
}

const dayMs = 86_400_000;

function certificate(parts: Certificate): string {
  const { hosts = ['127.0.0.1', '::1', 'localhost'], fromDays = -1, toDays = 30 } = parts.leaf;
  const ofClients = oid('1.3.6.1.5.5.7.3.2');
  const purposes =
    parts.leaf.isClientOnly === true ? [ofClients] : [oid('1.3.6.1.5.5.7.3.1'), ofClients];
  const extensions = parts.isAuthority
    ? [
        extension('2.5.29.19', sequence(boolean(true)), true),
        extension('2.5.29.15', bitString(Buffer.of(0x06), 1), true),
      ]
    : [
        extension('2.5.29.15', bitString(Buffer.of(0x80), 7), true),
        extension('2.5.29.37', sequence(...purposes)),
        extension('2.5.29.17', sequence(...hosts.map(alternativeName))),
      ];
  const body = sequence(
    explicit(0, integer(Buffer.of(2))),
    integer(Buffer.concat([Buffer.of(1), randomBytes(15)])),
    signatureAlgorithm(),
    parts.issuer,
    sequence(time(Date.now() + fromDays * dayMs), time(Date.now() + toDays * dayMs)),
    parts.subject,
    parts.publicKey.export({ type: 'spki', format: 'der' }),
    explicit(
      3,
      sequence(
        ...extensions,
        extension('2.5.29.14', octetString(keyId(parts.publicKey))),
        extension('2.5.29.35', sequence(tagged(0x80, keyId(parts.issuerKey)))),
      ),
    ),
  );
  const signature = bitString(sign('sha256', body, parts.signer), 0);
  return pem('CERTIFICATE', sequence(body, signatureAlgorithm(), signature));
}

function keyPair(): { publicKey: KeyObject; privateKey: KeyObject } {
  return generateKeyPairSync('ec', { namedCurve: 'prime256v1' });
}

function weakKeyPair(): { publicKey: KeyObject; privateKey: KeyObject } {
  return generateKeyPairSync('rsa', { modulusLength: 1024 });
}

function pemKey(key: KeyObject): string {
  return key.export({ type: 'pkcs8', format: 'pem' }) as string;
}

function keyId(key: KeyObject): Buffer {
  return createHash('sha1')
    .update(key.export({ type: 'spki', format: 'der' }))
    .digest();
}

function alternativeName(host: string): Buffer {
  return isIP(host) === 0
    ? tagged(0x82, Buffer.from(host))
    : tagged(0x87, Buffer.from(ipaddr.parse(host).toByteArray()));
}

function distinguishedName(commonName: string): Buffer {
  return sequence(tagged(0x31, sequence(oid('2.5.4.3'), tagged(0x0c, Buffer.from(commonName)))));
}

function extension(id: string, value: Buffer, isCritical = false): Buffer {
  return sequence(oid(id), ...(isCritical ? [boolean(true)] : []), octetString(value));
}

function pem(label: string, der: Buffer): string {
  const lines = der.toString('base64').match(/.{1,64}/g) ?? [];
  return `-----BEGIN ${label}-----\n${lines.join('\n')}\n-----END ${label}-----\n`;
}

// DER (X.690): a tag, a length, a value.

function tagged(tag: number, ...values: Buffer[]): Buffer {
  const value = Buffer.concat(values);
  const length =
    value.length < 0x80
      ? Buffer.of(value.length)
      : value.length < 0x100
        ? Buffer.of(0x81, value.length)
        : Buffer.of(0x82, value.length >> 8, value.length & 0xff);
  return Buffer.concat([Buffer.of(tag), length, value]);
}

function sequence(...values: Buffer[]): Buffer {
  return tagged(0x30, ...values);
}

function explicit(number: number, value: Buffer): Buffer {
  return tagged(0xa0 + number, value);
}

function integer(value: Buffer): Buffer {
  return tagged(0x02, value);
}

function boolean(value: boolean): Buffer {
  return tagged(0x01, Buffer.of(value ? 0xff : 0));
}

function octetString(value: Buffer): Buffer {
  return tagged(0x04, value);
}

function bitString(value: Buffer, unusedBits: number): Buffer {
  return tagged(0x03, Buffer.of(unusedBits), value);
}

function time(ms: number): Buffer {
  const digits = new Date(ms).toISOString().replace(/[-:T]|\.\d+/g, '');
  return tagged(0x18, Buffer.from(digits));
}

function oid(dotted: string): Buffer {
  const [first = 0, second = 0, ...rest] = dotted.split('.').map(Number);
  return tagged(0x06, Buffer.from([first * 40 + second, ...rest.flatMap(base128)]));
}

function base128(value: number): number[] {
  const digits = [value & 0x7f];
  for (let left = value >> 7; left > 0; left >>= 7) digits.unshift((left & 0x7f) | 0x80);
  return digits;
}

/** ecdsa-with-SHA256 (RFC 5758 §3.2). */
function signatureAlgorithm(): Buffer {
  return sequence(oid('1.2.840.10045.4.3.2'));
}

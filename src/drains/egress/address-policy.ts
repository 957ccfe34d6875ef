import { isIP } from 'node:net';
import ipaddr from 'ipaddr.js';
import { ConfigError } from '../../core/errors.ts';

export interface AddressPolicyOptions {
  /** Networks that may be reached although they are not public. */
  readonly allow: readonly string[];
  /** Networks that may not be reached although they are public, and whatever `allow` says. */
  readonly deny?: readonly string[];
}

/** `public` may be reached by anyone's drain, `operator` because the operator's list says so, the rest by none. */
export type AddressVerdict = 'public' | 'operator' | 'refused';

/**
 * Which addresses a drain may connect to. IPv4: everything but the special ranges of IANA's registry and
 * the wire server of one cloud, which has a public address. IPv6: only global unicast, less its special
 * ranges; an IPv4 address inside an IPv6 one is judged itself.
 */
export class AddressPolicy {
  readonly #allowed: readonly Network[];
  readonly #denied: readonly Network[];

  /** @throws ConfigError naming every network that cannot be read. */
  constructor(options: AddressPolicyOptions) {
    const { allow, deny = [] } = options;
    const problems = [...allow, ...deny].filter((text) => parseNetwork(text) === undefined);
    if (problems.length > 0) {
      throw new ConfigError(problems.map((text) => `not a network: "${text}"`));
    }
    this.#allowed = allow.map(mustParse);
    this.#denied = deny.map(mustParse);
  }

  /** Whether the operator allows anything that is not public: then names can only be judged when connecting. */
  get allowsPrivate(): boolean {
    return this.#allowed.length > 0;
  }

  /** `address` as `net.isIP` knows it; whatever else, zones included, is refused. */
  judge(address: string): AddressVerdict {
    if (isIP(address) === 0 || address.includes('%')) return 'refused';
    const bytes = unmapped(ipaddr.parse(address).toByteArray());
    if (this.#isDenied(bytes)) return 'refused';
    if (this.#allowed.some((network) => contains(network, bytes))) return 'operator';
    return (bytes.length === 4 ? isPublic4(bytes) : isPublic6(bytes)) ? 'public' : 'refused';
  }

  /** An address may be within a network of the operator's itself, and may carry one that is. */
  #isDenied(bytes: Bytes): boolean {
    const inner = embedded4(bytes) ?? bytes;
    return this.#denied.some((network) => contains(network, bytes) || contains(network, inner));
  }

  /** The addresses that `localhost` stands for here: those of loopback that the operator allows. */
  loopback(): string[] {
    return ['127.0.0.1', '::1'].filter((address) => this.judge(address) === 'operator');
  }
}

type Bytes = readonly number[];

/** ::ffff:0:0/96 (RFC 4291 §2.5.5.2). */
const mappedPrefix: Bytes = [0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff];
const mappedBits = mappedPrefix.length * 8;

interface Network {
  readonly bytes: Bytes;
  readonly bits: number;
}

function isPublic4(bytes: Bytes): boolean {
  return !special4.some((network) => contains(network, bytes));
}

function isPublic6(bytes: Bytes): boolean {
  const inner = embedded4(bytes);
  if (inner && contains(nat64, bytes)) return isPublic4(inner);
  if (!contains(globalUnicast, bytes)) return false;
  if (special6.some((network) => contains(network, bytes))) return false;
  return inner === undefined || isPublic4(inner);
}

/** The IPv4 address that an IPv6 one of a kind that may be public carries. */
function embedded4(bytes: Bytes): Bytes | undefined {
  return contains(nat64, bytes) || isIsatap(bytes) ? bytes.slice(12) : undefined;
}

/** RFC 5214 §6.1: an interface identifier of 0000:5efe or 0200:5efe carries an IPv4 address. */
function isIsatap(bytes: Bytes): boolean {
  return (
    (bytes[8] === 0x00 || bytes[8] === 0x02) &&
    bytes[9] === 0x00 &&
    bytes[10] === 0x5e &&
    bytes[11] === 0xfe
  );
}

/** ::ffff:a.b.c.d is the IPv4 address itself. */
function unmapped(bytes: Bytes): Bytes {
  const isMapped = bytes.length === 16 && mappedPrefix.every((byte, at) => bytes[at] === byte);
  return isMapped ? bytes.slice(12) : bytes;
}

function contains(network: Network, bytes: Bytes): boolean {
  if (network.bytes.length !== bytes.length) return false;
  const whole = network.bits >> 3;
  for (let at = 0; at < whole; at++) if (network.bytes[at] !== bytes[at]) return false;
  const rest = network.bits & 7;
  if (rest === 0) return true;
  const mask = (0xff << (8 - rest)) & 0xff;
  return ((network.bytes[whole] ?? 0) & mask) === ((bytes[whole] ?? 0) & mask);
}

/** `address` or `address/bits`; undefined for anything else. */
function parseNetwork(text: string): Network | undefined {
  const match = /^([0-9a-f:.]+)(?:\/(\d{1,3}))?$/i.exec(text);
  const address = match?.[1] ?? '';
  if (isIP(address) === 0) return undefined;
  const bytes = ipaddr.parse(address).toByteArray();
  const bits = match?.[2] === undefined ? bytes.length * 8 : Number(match[2]);
  if (bits > bytes.length * 8) return undefined;
  // Judged are IPv4 addresses, however they were written.
  const plain = bits < mappedBits ? bytes : unmapped(bytes);
  return { bytes: plain, bits: bits - (bytes.length - plain.length) * 8 };
}

function mustParse(text: string): Network {
  const network = parseNetwork(text);
  if (!network) throw new ConfigError([`not a network: "${text}"`]);
  return network;
}

/** RFC 6052: what a resolver of an IPv6-only network makes of an IPv4 answer. */
const nat64 = mustParse('64:ff9b::/96');
const globalUnicast = mustParse('2000::/3');

const special4 = [
  '0.0.0.0/8',
  '10.0.0.0/8',
  '100.64.0.0/10',
  '127.0.0.0/8',
  '168.63.129.16/32',
  '169.254.0.0/16',
  '172.16.0.0/12',
  '192.0.0.0/24',
  '192.0.2.0/24',
  '192.88.99.0/24',
  '192.168.0.0/16',
  '198.18.0.0/15',
  '198.51.100.0/24',
  '203.0.113.0/24',
  '224.0.0.0/4',
  '240.0.0.0/4',
].map(mustParse);

/** 2001::/23 holds Teredo, ORCHID and benchmarking; 2002::/16 is 6to4. Nobody receives logs there. */
const special6 = ['2001::/23', '2001:db8::/32', '2002::/16', '3fff::/20'].map(mustParse);

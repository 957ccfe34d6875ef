import { isIP } from 'node:net';
import type { AddressPolicy } from '../egress/address-policy.ts';
import { isInternalName } from '../egress/internal-name.ts';
import { isOpenPort } from '../egress/port-policy.ts';
import { parseOptions, splitFragment } from './drain-options.ts';
import { maskUrl } from './mask.ts';
import type { DrainKind, StoredOptions } from './option-values.ts';

/** What the operator allows. */
export interface DrainUrlPolicy {
  /** Schemes without TLS. */
  readonly plain: boolean;
  /** The option `insecure`. */
  readonly insecure: boolean;
  readonly addresses: Pick<AddressPolicy, 'judge' | 'allowsPrivate' | 'loopback'>;
  /** URLs of our own doors: lines that a drain sends there come back to it. */
  readonly ownUrls?: readonly string[];
}

export type ParsedDrainUrl =
  | { readonly ok: true; readonly target: DrainTarget; readonly options: StoredOptions }
  | { readonly ok: false; readonly problems: readonly string[] };

/** Where a drain goes. */
export interface DrainTarget {
  readonly kind: DrainKind;
  readonly tls: boolean;
  /** Lower-case name without trailing dot, or an address without brackets. */
  readonly host: string;
  readonly port: number;
  /** Path and query of the request; empty for syslog. */
  readonly path: string;
  /** `user:password`, percent-decoded; undefined without credentials. Secret. */
  readonly credentials: Buffer | undefined;
  /** The URL that equals every other spelling of it; with credentials, without options. Secret. */
  readonly canonical: string;
  /** What people may see of it. */
  readonly masked: string;
}

/**
 * Reads a drain URL as its owner typed it, with options in its fragment, beside it, or some here and some there.
 * Syslog's schemes are read as if they were https, so that the host comes out canonical whatever notation hides
 * an address in it.
 */
export function parseDrainUrl(
  text: string,
  policy: DrainUrlPolicy,
  beside: Readonly<Record<string, unknown>> = {},
): ParsedDrainUrl {
  const url = split(text, policy);
  if (typeof url === 'string') return { ok: false, problems: [url] };
  const target = targetOf(url);
  const setting = {
    kind: target.kind,
    tls: target.tls,
    insecureAllowed: policy.insecure,
    hasCredentials: target.credentials !== undefined,
  };
  const fragment = splitFragment(url.fragment);
  const twice = Object.keys(fragment.given).filter((name) => Object.hasOwn(beside, name));
  const options = parseOptions({ ...fragment.given, ...beside }, setting);
  const problems = [
    ...targetProblems(url, target, policy),
    ...fragment.problems,
    ...twice.map((name) => `option ${name} is given twice`),
    ...options.problems,
  ];
  return problems.length === 0
    ? { ok: true, target, options: options.stored }
    : { ok: false, problems };
}

interface Scheme {
  readonly canonical: string;
  readonly kind: DrainKind;
  readonly tls: boolean;
  readonly port: number;
}

const schemes: Readonly<Record<string, Scheme>> = {
  https: { canonical: 'https', kind: 'https', tls: true, port: 443 },
  http: { canonical: 'http', kind: 'https', tls: false, port: 80 },
  'syslog+tls': { canonical: 'syslog+tls', kind: 'syslog', tls: true, port: 6514 },
  syslog: { canonical: 'syslog', kind: 'syslog', tls: false, port: 601 },
  'syslog+tcp': { canonical: 'syslog', kind: 'syslog', tls: false, port: 601 },
};

interface SplitUrl {
  readonly scheme: Scheme;
  readonly url: URL;
  readonly port: number;
  readonly fragment: string;
}

const charactersMax = 2048;
/** Of the options, which are no part of what is sent: two certificates and a key of 4,096 bits are 9,000 as base64. */
const fragmentCharactersMax = 24_576;

/** The parts, or what is wrong with the text as such. */
function split(text: string, policy: DrainUrlPolicy): SplitUrl | string {
  const hash = text.indexOf('#');
  const optionCharacters = hash < 0 ? 0 : text.length - hash;
  if (text.length - optionCharacters > charactersMax) {
    return `is longer than ${charactersMax} characters`;
  }
  if (optionCharacters > fragmentCharactersMax) {
    return `has options longer than ${fragmentCharactersMax} characters`;
  }
  if (/[\s\p{Cc}]/u.test(text)) {
    return 'contains white space or control characters';
  }
  const match = /^([a-z][a-z0-9+.-]*):\/\/([^/?#\\][^#]*)(?:#(.*))?$/i.exec(text);
  const scheme = schemeOf(match?.[1] ?? text.split(':')[0] ?? '', policy);
  if (typeof scheme === 'string') return scheme;
  const rest = match?.[2];
  if (rest === undefined) return 'is not a URL with a host';
  if (rest.includes('\\')) return 'contains a backslash';
  const url = URL.parse(`https://${rest}`);
  const other = URL.parse(`http://${rest}`);
  if (!url || !other) return 'is not a valid URL';
  // The port that is the default of one reading is visible in the other.
  const port = url.port || other.port;
  return {
    scheme,
    url: scheme.tls || scheme.kind === 'syslog' ? url : other,
    port: port === '' ? scheme.port : Number(port),
    fragment: match?.[3] ?? '',
  };
}

function schemeOf(name: string, policy: DrainUrlPolicy): Scheme | string {
  const scheme = Object.hasOwn(schemes, name.toLowerCase())
    ? schemes[name.toLowerCase()]
    : undefined;
  if (scheme && (scheme.tls || policy.plain)) return scheme;
  if (scheme) return `scheme ${scheme.canonical} is not allowed here: use https or syslog+tls`;
  const allowed = Object.keys(schemes).filter(
    (known) => schemes[known]?.tls === true || policy.plain,
  );
  return `scheme must be one of ${allowed.join(', ')}`;
}

function targetOf({ scheme, url, port }: SplitUrl): DrainTarget {
  const plain = canonicalUrl(url, scheme, port);
  const host = plain.hostname.replace(/^\[(.*)\]$/, '$1');
  const isHttp = scheme.kind === 'https';
  const authority = isHttp ? plain.host : `${plain.hostname}:${port}`;
  const user = userInfo(plain);
  return {
    kind: scheme.kind,
    tls: scheme.tls,
    host,
    port,
    path: isHttp ? `${plain.pathname}${plain.search}` : '',
    credentials: isHttp ? credentialsOf(plain) : undefined,
    canonical: isHttp
      ? `${scheme.canonical}://${user}${authority}${plain.pathname}${plain.search}`
      : `${scheme.canonical}://${authority}`,
    masked: isHttp ? `${scheme.canonical}:${maskUrl(plain)}` : `${scheme.canonical}://${authority}`,
  };
}

/** Without trailing dot: `example.com.` is the same host, and certificates never carry the dot. */
function canonicalUrl(url: URL, scheme: Scheme, port: number): URL {
  const canonical = new URL(url);
  if (canonical.hostname.endsWith('.')) canonical.hostname = canonical.hostname.slice(0, -1);
  if (scheme.kind === 'https') canonical.port = String(port);
  return canonical;
}

function userInfo(url: URL): string {
  if (url.username === '' && url.password === '') return '';
  return url.password === '' ? `${url.username}@` : `${url.username}:${url.password}@`;
}

function credentialsOf(url: URL): Buffer | undefined {
  if (url.username === '' && url.password === '') return undefined;
  return Buffer.concat([
    percentDecode(url.username),
    Buffer.from(':'),
    percentDecode(url.password),
  ]);
}

/** What is no escape stays as it is: a password with a `%` in it was typed, not encoded. */
function percentDecode(text: string): Buffer {
  const decoded = text.replace(/%([0-9a-f]{2})/gi, (_, hex: string) =>
    String.fromCharCode(Number.parseInt(hex, 16)),
  );
  return Buffer.from(decoded, 'latin1');
}

function targetProblems({ url }: SplitUrl, target: DrainTarget, policy: DrainUrlPolicy): string[] {
  const problems = [hostProblem(target, policy), portProblem(target, policy)];
  if (isOwn(target, policy.ownUrls ?? [])) problems.push('is this service itself');
  if (target.kind === 'syslog') {
    if (userInfo(url) !== '') problems.push('syslog drains take no user or password');
    if (url.pathname !== '/' || url.search !== '') problems.push('syslog drains take no path');
  } else if (percentDecode(url.username).includes(':')) {
    problems.push('a user name cannot contain a colon');
  }
  return problems.filter((problem) => problem !== undefined);
}

function hostProblem({ host }: DrainTarget, policy: DrainUrlPolicy): string | undefined {
  if (isIP(host) !== 0) {
    return policy.addresses.judge(host) === 'refused' ? 'address is not public' : undefined;
  }
  if (!/^(?=.{1,253}$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/.test(host)) {
    return 'host is not a valid name';
  }
  if (host === 'localhost') {
    return policy.addresses.loopback().length === 0 ? 'address is not public' : undefined;
  }
  return isInternalName(host) && !policy.addresses.allowsPrivate ? 'host is not public' : undefined;
}

function isOwn({ host, port }: DrainTarget, urls: readonly string[]): boolean {
  return urls.some((text) => {
    const url = new URL(text);
    const ownPort = url.port === '' ? (url.protocol === 'https:' ? 443 : 80) : Number(url.port);
    return url.hostname.replace(/^\[(.*)\]$/, '$1') === host && ownPort === port;
  });
}

/** A name can be the operator's own, whose ports are all open; that is judged when connecting. */
function portProblem(target: DrainTarget, policy: DrainUrlPolicy): string | undefined {
  if (target.port === 0) return 'port is not allowed';
  const mayBePrivate =
    isIP(target.host) === 0
      ? policy.addresses.allowsPrivate
      : policy.addresses.judge(target.host) === 'operator';
  const isPlainHttp = target.kind === 'https' && !target.tls;
  return mayBePrivate || isOpenPort(target.port, isPlainHttp) ? undefined : 'port is not allowed';
}

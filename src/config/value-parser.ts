import { isIP } from 'node:net';
import { Secret } from '../core/secret.ts';

/** Reads the text of one variable. A problem completes the sentence "NAME …". */
export type ValueParser<T> = (text: string) => Parsed<T>;
export type Parsed<T> =
  { readonly ok: true; readonly value: T } | { readonly ok: false; readonly problem: string };

/** Where a server listens; IPv6 hosts without their brackets. Port 0 is any free one. */
export interface ListenAddress {
  readonly host: string;
  readonly port: number;
}

const units: Readonly<Record<string, number>> = {
  '': 1,
  B: 1,
  K: 1024,
  KIB: 1024,
  KB: 1000,
  M: 1024 ** 2,
  MIB: 1024 ** 2,
  MB: 1000 ** 2,
  G: 1024 ** 3,
  GIB: 1024 ** 3,
  GB: 1000 ** 3,
};

/** Plain bytes, or a number with a unit: `K`, `KiB`, `M`, `MiB`, `G`, `GiB` count by 1024, `KB`, `MB`, `GB` by 1000. */
export function byteSize(min: number, max = Number.MAX_SAFE_INTEGER): ValueParser<number> {
  return (text) => {
    const match = /^(\d+(?:\.\d+)?) ?([a-z]*)$/i.exec(text);
    const unit = units[match?.[2]?.toUpperCase() ?? ''];
    if (!match || unit === undefined) {
      return problem(`is not a size, as ${quote(text)} (say bytes, or 512KiB, 8MiB, 10GiB)`);
    }
    return within(Math.round(Number(match[1]) * unit), min, max, 'bytes');
  };
}

export function wholeNumber(min: number, max: number, unit = ''): ValueParser<number> {
  return (text) =>
    /^\d{1,15}$/.test(text)
      ? within(Number(text), min, max, unit)
      : problem(`is not a whole number, as ${quote(text)}`);
}

/** A span of time written in `unit`, fractions allowed; the value is in milliseconds. */
export function duration(unit: 'seconds' | 'hours', min: number, max: number): ValueParser<number> {
  const unitMs = unit === 'hours' ? 3_600_000 : 1_000;
  return (text) => {
    if (!/^\d{1,9}(\.\d+)?$/.test(text)) {
      return problem(`is not a number of ${unit}, as ${quote(text)}`);
    }
    const bounded = within(Number(text), min, max, unit);
    return bounded.ok ? value(Math.round(bounded.value * unitMs)) : bounded;
  };
}

export const flag: ValueParser<boolean> = (text) => {
  const lower = text.toLowerCase();
  if (['1', 'true', 'yes', 'on'].includes(lower)) return value(true);
  if (['0', 'false', 'no', 'off'].includes(lower)) return value(false);
  return problem(`is neither 1 nor 0, as ${quote(text)}`);
};

export function oneOf<T extends string>(choices: readonly T[]): ValueParser<T> {
  return (text) => {
    const choice = choices.find((candidate) => candidate === text.toLowerCase());
    return choice === undefined
      ? problem(`is none of ${choices.join(', ')}, as ${quote(text)}`)
      : value(choice);
  };
}

export const plainText: ValueParser<string> = (text) =>
  hasControlBytes(text) ? problem('holds control characters') : value(text);

export const listenAddress: ValueParser<ListenAddress> = (text) => {
  const match = /^(?:\[([0-9a-f:.]+)\]|([a-z0-9._-]+)):(\d{1,5})$/i.exec(text);
  const host = match?.[1] ?? match?.[2] ?? '';
  const port = Number(match?.[3]);
  if (!match || (match[1] !== undefined && isIP(host) !== 6) || port > 65_535) {
    return problem(`is not host:port, as ${quote(text)} (say 127.0.0.1:8080 or [::1]:8080)`);
  }
  return value({ host, port });
};

/** An http or https URL without credentials, query and fragment; returned without a final slash. */
export const httpUrl: ValueParser<string> = (text) => {
  const url = parseUrl(text);
  if (!url || !['http:', 'https:'].includes(url.protocol)) {
    return problem('is not an http or https URL');
  }
  if (url.username !== '' || url.password !== '') return problem('must not hold credentials');
  if (url.search !== '' || url.hash !== '') return problem('must not hold a query or a fragment');
  return value(url.href.replace(/\/+$/, ''));
};

/** `smtp://user:password@host:port`, or `smtps:` for TLS from the first byte. Never repeated in a problem. */
export const smtpUrl: ValueParser<Secret<string>> = (text) => {
  const url = parseUrl(text);
  if (!url || !['smtp:', 'smtps:'].includes(url.protocol) || url.hostname === '') {
    return problem('is not an smtp:// or smtps:// URL');
  }
  return value(new Secret(text));
};

/** An http or https URL, perhaps with credentials and a query. Never repeated in a problem. */
export const secretHttpUrl: ValueParser<Secret<string>> = (text) => {
  const url = parseUrl(text);
  if (!url || !['http:', 'https:'].includes(url.protocol)) {
    return problem('is not an http or https URL');
  }
  if (url.hash !== '') return problem('must not hold a fragment');
  return isDecodable(url.username) && isDecodable(url.password)
    ? value(new Secret(text))
    : problem('holds credentials that are not percent-encoded');
};

/** A comma list of networks in CIDR form; a lone address is the network of that address. */
export const networks: ValueParser<readonly string[]> = (text) => {
  const parts = text.split(/[\s,]+/).filter((part) => part !== '');
  const wrong = parts.filter((part) => network(part) === undefined);
  if (wrong.length > 0) {
    return problem(`holds what is not a network: ${wrong.map(quote).join(', ')}`);
  }
  return value(parts.map((part) => network(part) ?? part));
};

function network(text: string): string | undefined {
  const [address = '', prefix, ...rest] = text.replace(/^\[(.*)\]/, '$1').split('/');
  const version = isIP(address);
  if (version === 0 || rest.length > 0 || address.includes('%')) return undefined;
  const bits = version === 4 ? 32 : 128;
  if (prefix === undefined) return `${address}/${bits}`;
  return /^\d{1,3}$/.test(prefix) && Number(prefix) <= bits ? `${address}/${prefix}` : undefined;
}

function within(number: number, min: number, max: number, unit: string): Parsed<number> {
  const suffix = unit === '' ? '' : ` ${unit}`;
  if (number < min) return problem(`is ${number}${suffix}, but must be at least ${min}`);
  if (number > max) return problem(`is ${number}${suffix}, but must be at most ${max}`);
  return value(number);
}

function value<T>(parsed: T): Parsed<T> {
  return { ok: true, value: parsed };
}

function problem<T>(text: string): Parsed<T> {
  return { ok: false, problem: text };
}

function quote(text: string): string {
  return JSON.stringify(text.length > 80 ? `${text.slice(0, 80)}…` : text);
}

function parseUrl(text: string): URL | undefined {
  return hasControlBytes(text) || !URL.canParse(text) ? undefined : new URL(text);
}

function isDecodable(text: string): boolean {
  try {
    decodeURIComponent(text);
    return true;
  } catch {
    return false;
  }
}

function hasControlBytes(text: string): boolean {
  for (const character of text) {
    const code = character.charCodeAt(0);
    if (code < 0x20 || code === 0x7f) return true;
  }
  return false;
}

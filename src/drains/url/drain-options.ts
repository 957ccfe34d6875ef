import type { TlsIdentity } from '../egress/tls-trust.ts';
import { severityOf } from '../formats/severity.ts';
import { conflicts } from './option-conflicts.ts';
import { optionRules, type OptionRule } from './option-rules.ts';
import type {
  DrainFormat,
  DrainFraming,
  DrainKind,
  OptionSetting,
  OptionValue,
  StoredOptions,
} from './option-values.ts';

/** What a drain's owner may choose, by name. Data: a new option is a new row of the rules. */
export interface DrainOptions extends DrainFilters {
  readonly format: DrainFormat;
  readonly framing: DrainFraming;
  readonly gzip: boolean;
  /** Sent with every request, beside ours and instead of those with the same name. Secret. */
  readonly headers: Readonly<Record<string, string>>;
  /** STRUCTURED-DATA of every message. Secret: receivers have their tokens in it. */
  readonly structuredData: string | undefined;
  /** Certificates are not checked; only where the operator allows it. */
  readonly insecure: boolean;
  /** The name that TLS asks for, and that the certificate must have, instead of the URL's host. */
  readonly sni: string | undefined;
  /** The key is secret. */
  readonly identity: TlsIdentity;
  /** HOSTNAME of every message, instead of the format's own. */
  readonly hostname: string | undefined;
  readonly messageBytesMax: number | undefined;
  readonly stripAnsi: boolean;
  readonly stripPrefix: boolean;
  readonly batchBytes: number | undefined;
  readonly batchLines: number | undefined;
  readonly batchMs: number | undefined;
  /** Requests that may be under way at once; from 2 on lines may arrive out of order. */
  readonly concurrency: number;
}

/** Lines that do not pass are filtered. */
export interface DrainFilters {
  /** APP-NAMEs; any when empty. */
  readonly sources: readonly string[];
  /** PROCIDs, or their types: `web` is `web` and `web.1`; any when empty. */
  readonly processes: readonly string[];
  /** 0–7: less severe lines, with a higher number, do not pass. */
  readonly severity: number | undefined;
}

/**
 * The options of a URL fragment (`key=value&key=value`; a switch may stand without value), by name, as they were
 * written: values are not judged yet. Headers are `headers.NAME=value`.
 */
export function splitFragment(fragment: string): {
  readonly given: Readonly<Record<string, unknown>>;
  readonly problems: readonly string[];
} {
  const given = new Map<string, unknown>();
  const headers: [string, string][] = [];
  const problems: string[] = [];
  for (const part of fragment.split('&').filter((text) => text !== '')) {
    const equals = part.indexOf('=');
    const name = equals < 0 ? part : part.slice(0, equals);
    const value = equals < 0 ? true : decode(part.slice(equals + 1));
    if (name.startsWith(headerPrefix)) {
      headers.push([decode(name.slice(headerPrefix.length)), value === true ? '' : value]);
      continue;
    }
    if (given.has(name)) problems.push(`option ${printable(name)} is given twice`);
    given.set(name, value);
  }
  if (headers.length > 0) given.set('headers', [...asPairs(given.get('headers')), ...headers]);
  return { given: Object.fromEntries(given), problems };
}

/** The same, judged. Every problem names its option, none its value. */
export function parseFragment(fragment: string, setting: OptionSetting): ParsedOptions {
  const { given, problems } = splitFragment(fragment);
  const parsed = parseOptions(given, setting);
  return { stored: parsed.stored, problems: [...problems, ...parsed.problems] };
}

export interface ParsedOptions {
  readonly stored: StoredOptions;
  readonly problems: readonly string[];
}

/** Options as they are stored, and what is wrong with them. */
export function parseOptions(
  given: Readonly<Record<string, unknown>>,
  setting: OptionSetting,
): ParsedOptions {
  const stored: Record<string, OptionValue> = {};
  const problems: string[] = [];
  for (const [name, value] of Object.entries(given)) {
    const rule = optionRules.get(name);
    const parsed = rule?.parse(value);
    const problem = rule ? misplaced(name, rule, setting) : `unknown option ${printable(name)}`;
    if (problem !== undefined) problems.push(problem);
    else if (parsed === undefined) problems.push(`option ${name} must be ${rule?.expects ?? ''}`);
    else stored[name] = parsed;
  }
  if (stored['insecure'] === true && !setting.insecureAllowed) {
    problems.push('option insecure is not allowed here');
  }
  return {
    stored,
    problems: [...problems, ...conflicts(stored, formatOf(stored, setting), setting)],
  };
}

/** Stored options with the defaults of the kind: logplex's own format for each. */
export function drainOptions(stored: StoredOptions, setting: OptionSetting): DrainOptions {
  const text = (name: string): string | undefined => stored[name] as string | undefined;
  const number = (name: string): number | undefined => stored[name] as number | undefined;
  const list = (name: string): readonly string[] => (stored[name] ?? []) as readonly string[];
  return {
    format: formatOf(stored, setting),
    framing: (text('framing') as DrainFraming | undefined) ?? 'octet',
    gzip: stored['gzip'] === true,
    headers: (stored['headers'] ?? {}) as Readonly<Record<string, string>>,
    structuredData: text('sd'),
    insecure: stored['insecure'] === true && setting.insecureAllowed,
    sni: text('sni'),
    identity: { ca: text('ca'), cert: text('client_cert'), key: text('client_key') },
    hostname: text('hostname'),
    messageBytesMax: number('max_message_bytes'),
    sources: list('source'),
    processes: list('process'),
    severity: severityOf(text('severity') ?? ''),
    stripAnsi: stored['strip_ansi'] === true,
    stripPrefix: stored['strip_prefix'] === true,
    batchBytes: number('batch_bytes'),
    batchLines: number('batch_lines'),
    batchMs: number('batch_ms'),
    concurrency: number('concurrency') ?? 1,
  };
}

/** Those options that the bytes of a batch follow from, in one order. */
export function shapingOptions(stored: StoredOptions): StoredOptions {
  const names = [...optionRules].flatMap(([name, { isShaping }]) => (isShaping ? [name] : []));
  const given = names.flatMap((name) => {
    const value = stored[name];
    return value === undefined ? [] : [[name, value] as const];
  });
  return Object.fromEntries(given);
}

const headerPrefix = 'headers.';

const defaultFormats: Readonly<Record<DrainKind, DrainFormat>> = {
  https: 'logplex',
  syslog: 'rfc5424',
};

function formatOf(stored: StoredOptions, setting: OptionSetting): DrainFormat {
  return (stored['format'] as DrainFormat | undefined) ?? defaultFormats[setting.kind];
}

function misplaced(name: string, rule: OptionRule, setting: OptionSetting): string | undefined {
  if (rule.onlyKind !== undefined && rule.onlyKind !== setting.kind) {
    return `option ${name} is for ${rule.onlyKind} drains`;
  }
  return rule.onlyTls === true && !setting.tls
    ? `option ${name} is for drains with TLS`
    : undefined;
}

/** What is no list of headers stays one entry, for its rule to refuse. */
function asPairs(value: unknown): readonly unknown[] {
  return value === undefined ? [] : [value];
}

function decode(text: string): string {
  try {
    return decodeURIComponent(text);
  } catch {
    return text;
  }
}

/** A name in a message to its author: short, and nothing that a terminal would obey. */
function printable(name: string): string {
  return `"${name.replace(/[^!-~]/g, '?').slice(0, 40)}"`;
}

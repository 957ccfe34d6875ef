/** What a drain's owner may choose, by name. Data: a new option is a new row of {@link rules}. */
export interface DrainOptions {
  readonly format: DrainFormat;
  readonly framing: DrainFraming;
  readonly gzip: boolean;
  /** Certificates are not checked; only where the operator allows it. */
  readonly insecure: boolean;
  /** The name that TLS asks for, and that the certificate must have, instead of the URL's host. */
  readonly sni: string | undefined;
  /** HOSTNAME of every message, instead of the format's own. */
  readonly hostname: string | undefined;
  readonly batchBytes: number | undefined;
  readonly batchLines: number | undefined;
  readonly batchMs: number | undefined;
}

export const drainFormats = ['logplex', 'rfc5424'] as const;
export type DrainFormat = (typeof drainFormats)[number];

export const drainFramings = ['octet', 'lf'] as const;
/** Octet counts before each message, or one message a line. */
export type DrainFraming = (typeof drainFramings)[number];

export type DrainKind = 'https' | 'syslog';

/** What the options are judged against. */
export interface OptionSetting {
  readonly kind: DrainKind;
  readonly tls: boolean;
  readonly insecureAllowed: boolean;
}

export type OptionValue = string | number | boolean;
export type StoredOptions = Readonly<Record<string, OptionValue>>;

/**
 * The options of a URL fragment (`key=value&key=value`; a switch may stand without value), as they are
 * stored. Every problem names its option, none its value.
 */
export function parseFragment(fragment: string, setting: OptionSetting): ParsedOptions {
  const given = new Map<string, unknown>();
  const problems: string[] = [];
  for (const part of fragment.split('&').filter((text) => text !== '')) {
    const equals = part.indexOf('=');
    const name = equals < 0 ? part : part.slice(0, equals);
    const value = equals < 0 ? true : decode(part.slice(equals + 1));
    if (given.has(name)) problems.push(`option ${printable(name)} is given twice`);
    given.set(name, value);
  }
  const parsed = parseOptions(Object.fromEntries(given), setting);
  return { stored: parsed.stored, problems: [...problems, ...parsed.problems] };
}

export interface ParsedOptions {
  readonly stored: StoredOptions;
  readonly problems: readonly string[];
}

/** The same for values of JSON. */
export function parseOptions(
  given: Readonly<Record<string, unknown>>,
  setting: OptionSetting,
): ParsedOptions {
  const stored: Record<string, OptionValue> = {};
  const problems: string[] = [];
  for (const [name, value] of Object.entries(given)) {
    const rule = rules.get(name);
    const parsed = rule?.parse(value);
    const problem = rule ? misplaced(name, rule, setting) : `unknown option ${printable(name)}`;
    if (problem !== undefined) problems.push(problem);
    else if (parsed === undefined) problems.push(`option ${name} must be ${rule?.expects ?? ''}`);
    else stored[name] = parsed;
  }
  if (stored['insecure'] === true && !setting.insecureAllowed) {
    problems.push('option insecure is not allowed here');
  }
  return { stored, problems };
}

/** Stored options with the defaults of the kind: logplex's own format for each. */
export function drainOptions(stored: StoredOptions, setting: OptionSetting): DrainOptions {
  const text = (name: string): string | undefined => stored[name] as string | undefined;
  const number = (name: string): number | undefined => stored[name] as number | undefined;
  return {
    format: (text('format') as DrainFormat | undefined) ?? defaultFormats[setting.kind],
    framing: (text('framing') as DrainFraming | undefined) ?? 'octet',
    gzip: stored['gzip'] === true,
    insecure: stored['insecure'] === true && setting.insecureAllowed,
    sni: text('sni'),
    hostname: text('hostname'),
    batchBytes: number('batch_bytes'),
    batchLines: number('batch_lines'),
    batchMs: number('batch_ms'),
  };
}

const defaultFormats: Readonly<Record<DrainKind, DrainFormat>> = {
  https: 'logplex',
  syslog: 'rfc5424',
};

interface Rule {
  readonly expects: string;
  readonly parse: (value: unknown) => OptionValue | undefined;
  readonly onlyKind?: DrainKind;
  readonly onlyTls?: boolean;
}

const rules: ReadonlyMap<string, Rule> = new Map<string, Rule>([
  ['format', oneOf(drainFormats)],
  ['framing', oneOf(drainFramings)],
  ['gzip', { ...flag(), onlyKind: 'https' }],
  ['insecure', { ...flag(), onlyTls: true }],
  [
    'sni',
    {
      ...matching(/^(?=.{1,253}$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/i, 'a host name'),
      onlyTls: true,
    },
  ],
  // RFC 5424 §6.2.4: at most 255 printable ASCII characters.
  ['hostname', matching(/^[!-~]{1,255}$/, 'at most 255 visible ASCII characters')],
  ['batch_bytes', integer(1024, 1_048_576)],
  ['batch_lines', integer(1, 5000)],
  ['batch_ms', integer(10, 10_000)],
]);

function misplaced(name: string, rule: Rule, setting: OptionSetting): string | undefined {
  if (rule.onlyKind !== undefined && rule.onlyKind !== setting.kind) {
    return `option ${name} is for ${rule.onlyKind} drains`;
  }
  return rule.onlyTls === true && !setting.tls
    ? `option ${name} is for drains with TLS`
    : undefined;
}

function oneOf(values: readonly string[]): Rule {
  return {
    expects: `one of ${values.join(', ')}`,
    parse: (value) => values.find((known) => known === value),
  };
}

function flag(): Rule {
  return { expects: '1 or 0', parse: (value) => flags.get(value) };
}

const flags = new Map<unknown, boolean>([
  [true, true],
  ['1', true],
  ['true', true],
  [1, true],
  [false, false],
  ['0', false],
  ['false', false],
  [0, false],
]);

function integer(min: number, max: number): Rule {
  return {
    expects: `a whole number from ${min} to ${max}`,
    parse: (value) => {
      const number = typeof value === 'string' && /^\d{1,9}$/.test(value) ? Number(value) : value;
      return Number.isInteger(number) && (number as number) >= min && (number as number) <= max
        ? (number as number)
        : undefined;
    },
  };
}

function matching(pattern: RegExp, expects: string): Rule {
  return {
    expects,
    parse: (value) => (typeof value === 'string' && pattern.test(value) ? value : undefined),
  };
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

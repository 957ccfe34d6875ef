import { isIP } from 'node:net';
import { isStructuredData } from '../formats/structured-data.ts';
import { severityOf, severityWords } from '../formats/severity.ts';
import { certificates, privateKey } from './certificate-option.ts';
import { drainFormats, drainFramings, type DrainKind, type OptionValue } from './option-values.ts';
import { requestHeaders } from './header-option.ts';

/** What one option may be. */
export interface OptionRule {
  /** After "must be", in what its author is told. */
  readonly expects: string;
  /** The value as it is stored, of one from a URL or from JSON; undefined when it is none. */
  readonly parse: (value: unknown) => OptionValue | undefined;
  readonly onlyKind?: DrainKind;
  readonly onlyTls?: boolean;
  /** Never shown again. */
  readonly isSecret?: boolean;
  /** The bytes of a batch follow from it, or which lines are in it: not how it is sent. */
  readonly isShaping?: boolean;
}

const namesMax = 50;

export const optionRules: ReadonlyMap<string, OptionRule> = new Map<string, OptionRule>([
  ['format', { ...oneOf(drainFormats), isShaping: true }],
  ['framing', { ...oneOf(drainFramings), isShaping: true }],
  ['gzip', { ...flag(), onlyKind: 'https' }],
  [
    'headers',
    {
      expects: 'names and values of at most 20 request headers, none of which is ours',
      parse: requestHeaders,
      onlyKind: 'https',
      isSecret: true,
    },
  ],
  [
    'sd',
    {
      expects: 'structured data of RFC 5424, at most 512 bytes',
      parse: (value) => (typeof value === 'string' && isStructuredData(value) ? value : undefined),
      isSecret: true,
      isShaping: true,
    },
  ],
  ['insecure', { ...flag(), onlyTls: true }],
  [
    'sni',
    {
      expects: 'a host name',
      parse: (value) => (typeof value === 'string' && isHostName(value) ? value : undefined),
      onlyTls: true,
    },
  ],
  ['ca', { expects: 'PEM certificates', parse: certificates, onlyTls: true }],
  ['client_cert', { expects: 'PEM certificates', parse: certificates, onlyTls: true }],
  [
    'client_key',
    {
      expects: 'a PEM private key without passphrase',
      parse: privateKey,
      onlyTls: true,
      isSecret: true,
    },
  ],
  // RFC 5424 §6.2.4: at most 255 printable ASCII characters.
  [
    'hostname',
    { ...matching(/^[!-~]{1,255}$/, 'at most 255 visible ASCII characters'), isShaping: true },
  ],
  ['max_message_bytes', { ...integer(1024, 1_048_576), isShaping: true }],
  ['source', { ...names(), isShaping: true }],
  ['process', { ...names(), isShaping: true }],
  [
    'severity',
    {
      expects: `one of ${severityWords.join(', ')}`,
      parse: (value) => {
        const word = typeof value === 'string' || typeof value === 'number' ? String(value) : '';
        const severity = severityOf(word.toLowerCase());
        return severity === undefined ? undefined : severityWords[severity];
      },
      isShaping: true,
    },
  ],
  ['strip_ansi', { ...flag(), isShaping: true }],
  ['strip_prefix', { ...flag(), isShaping: true }],
  ['batch_bytes', integer(1024, 1_048_576)],
  ['batch_lines', integer(1, 5000)],
  ['batch_ms', integer(10, 10_000)],
  ['concurrency', { ...integer(1, 10), onlyKind: 'https' }],
]);

/** RFC 6066 §3: server names are no addresses. */
function isHostName(text: string): boolean {
  return /^(?=.{1,253}$)[a-z0-9_-]{1,63}(?:\.[a-z0-9_-]{1,63})*$/i.test(text) && isIP(text) === 0;
}

function oneOf(values: readonly string[]): OptionRule {
  return {
    expects: `one of ${values.join(', ')}`,
    parse: (value) => values.find((known) => known === value),
  };
}

function flag(): OptionRule {
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

function integer(min: number, max: number): OptionRule {
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

function matching(pattern: RegExp, expects: string): OptionRule {
  return {
    expects,
    parse: (value) => (typeof value === 'string' && pattern.test(value) ? value : undefined),
  };
}

/** Names between commas, or a list of them. */
function names(): OptionRule {
  return {
    expects: `1 to ${namesMax} names of visible ASCII characters, with commas between them`,
    parse: (value) => {
      const list: readonly unknown[] = typeof value === 'string' ? value.split(',') : asList(value);
      const isFine = list.length > 0 && list.length <= namesMax && list.every(isName);
      return isFine ? (list as readonly string[]) : undefined;
    },
  };
}

function asList(value: unknown): readonly unknown[] {
  return Array.isArray(value) ? value : [];
}

function isName(value: unknown): boolean {
  return typeof value === 'string' && /^[!-+\--~]{1,255}$/.test(value);
}

export const drainFormats = ['logplex', 'rfc5424', 'ndjson', 'otlp'] as const;
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
  /** The URL has a user or a password. */
  readonly hasCredentials?: boolean;
}

export type OptionValue =
  string | number | boolean | readonly string[] | Readonly<Record<string, string>>;
export type StoredOptions = Readonly<Record<string, OptionValue>>;

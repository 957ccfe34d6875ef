import { kib, mib } from './units.ts';
import {
  byteSize,
  duration,
  flag,
  httpUrl,
  listenAddress,
  networks,
  oneOf,
  plainText,
  secretHttpUrl,
  smtpUrl,
  wholeNumber,
  type ValueParser,
} from './value-parser.ts';

/** One environment variable. This table feeds the parser, `--help` and the test of `docs/operations.md`. */
export interface Variable<T = unknown> {
  readonly name: string;
  /** What it does, as a phrase. */
  readonly meaning: string;
  /** What stands for it when it is not set: text for `parse`, or words about what happens. */
  readonly fallback: { readonly text: string } | { readonly words: string };
  readonly parse: ValueParser<T>;
}

function withDefault<T>(
  name: string,
  text: string,
  meaning: string,
  parse: ValueParser<T>,
): Variable<T> & { readonly fallback: { readonly text: string } } {
  return { name, meaning, fallback: { text }, parse };
}

function optional<T>(
  name: string,
  words: string,
  meaning: string,
  parse: ValueParser<T>,
): Variable<T> & { readonly fallback: { readonly words: string } } {
  return { name, meaning, fallback: { words }, parse };
}

/** An engine or a door that this version knows by name only: setting it must not look as if it worked. */
function unavailable(
  name: string,
  what: string,
): Variable<never> & {
  readonly fallback: { readonly words: string };
} {
  return optional(name, 'not available yet', `${what}; an error while it is not available`, () => ({
    ok: false,
    problem: `asks for ${what}, which this version does not have yet; unset it`,
  }));
}

export const variables = {
  listen: withDefault(
    'SPILLWAY_LISTEN',
    '127.0.0.1:8080',
    'host:port of the public door (/logs, /api, tails); port 0 takes a free one, which is printed',
    listenAddress,
  ),
  adminListen: withDefault(
    'SPILLWAY_ADMIN_LISTEN',
    '127.0.0.1:9090',
    'host:port of /metrics, /healthz and /readyz; not for the public',
    listenAddress,
  ),
  dataDir: withDefault(
    'SPILLWAY_DATA_DIR',
    './data',
    'directory of the log, checkpoints, registry, keys and outbox; one process owns it',
    plainText,
  ),
  roles: withDefault(
    'SPILLWAY_ROLES',
    'all',
    'what this process does; only "all" without the distributed engines',
    roles,
  ),
  partitions: withDefault(
    'SPILLWAY_PARTITIONS',
    '1',
    'partitions of a new log; fixed once the log exists',
    wholeNumber(1, 1_024),
  ),
  publicUrl: optional(
    'SPILLWAY_PUBLIC_URL',
    'derived from the listener',
    'URL at which clients reach the API',
    httpUrl,
  ),
  logsUrl: optional(
    'SPILLWAY_LOGS_URL',
    'the public URL + /logs',
    'URL to which containers post their lines',
    httpUrl,
  ),
  ingestBodyBytesMax: withDefault(
    'SPILLWAY_INGEST_BODY_BYTES_MAX',
    '8MiB',
    'largest request body of POST /logs, after inflating',
    byteSize(1 * kib, 256 * mib),
  ),
  appRateBytes: withDefault(
    'SPILLWAY_APP_RATE_BYTES',
    '4MiB',
    'bytes a second that one app may send for long; 0 = no limit',
    byteSize(0),
  ),
  appRateMessages: withDefault(
    'SPILLWAY_APP_RATE_MESSAGES',
    '20000',
    'lines a second that one app may send for long; 0 = no limit',
    wholeNumber(0, 1_000_000_000),
  ),
  ingestStrict: withDefault(
    'INGEST_STRICT',
    '0',
    "1 restores logplex's all-or-nothing answers at POST /logs",
    flag,
  ),
  syslogListen: optional(
    'SPILLWAY_SYSLOG_LISTEN',
    'off',
    'host:port of the syslog door over plain TCP; tokens and lines are readable on the way',
    listenAddress,
  ),
  syslogTlsListen: optional(
    'SPILLWAY_SYSLOG_TLS_LISTEN',
    'off',
    'host:port of the syslog door over TLS; needs the two files below',
    listenAddress,
  ),
  syslogTlsCertFile: optional(
    'SPILLWAY_SYSLOG_TLS_CERT_FILE',
    'none',
    'PEM file with the certificate of the TLS door and what lies between it and a root',
    plainText,
  ),
  syslogTlsKeyFile: optional(
    'SPILLWAY_SYSLOG_TLS_KEY_FILE',
    'none',
    'PEM file with its key',
    plainText,
  ),
  egressAllow: withDefault(
    'SPILLWAY_EGRESS_ALLOW',
    '',
    'comma list of networks that drains may reach although they are not public, on any port',
    networks,
  ),
  egressDeny: withDefault(
    'SPILLWAY_EGRESS_DENY',
    '',
    'comma list of networks that drains may not reach although they are public: your own',
    networks,
  ),
  egressPlain: withDefault(
    'SPILLWAY_EGRESS_PLAIN',
    '0',
    '1 allows http:// and syslog:// drains, which are not encrypted',
    flag,
  ),
  egressInsecure: withDefault(
    'SPILLWAY_EGRESS_INSECURE',
    '0',
    '1 allows the drain option "insecure", which does not verify certificates',
    flag,
  ),
  egressCaFile: optional(
    'SPILLWAY_EGRESS_CA_FILE',
    "the system's roots only",
    'PEM file of roots trusted for drains beside the system’s',
    plainText,
  ),
  retentionBytes: withDefault(
    'SPILLWAY_RETENTION_BYTES',
    '10GiB',
    'bytes of the log that are kept, in whole segments; when not set, never more than half of the free space and the log together',
    byteSize(4 * kib),
  ),
  retentionHours: withDefault(
    'SPILLWAY_RETENTION_HOURS',
    '168',
    'hours for which lines are kept, in whole segments',
    duration('hours', 0.001, 100_000),
  ),
  segmentBytes: withDefault(
    'SPILLWAY_SEGMENT_BYTES',
    '64MiB',
    'size at which a segment file is sealed; retention takes whole segments',
    byteSize(4 * kib, 1_024 * mib),
  ),
  tailLines: withDefault(
    'SPILLWAY_TAIL_LINES',
    '1500',
    'lines of history that a tail can ask for',
    wholeNumber(0, 1_000_000),
  ),
  tailHours: withDefault(
    'SPILLWAY_TAIL_HOURS',
    '168',
    'hours of history that a tail can ask for',
    duration('hours', 0, 100_000),
  ),
  tailClients: withDefault(
    'SPILLWAY_TAIL_CLIENTS',
    '10000',
    'tail sessions that may be open at once',
    wholeNumber(0, 1_000_000),
  ),
  trustedProxies: withDefault(
    'SPILLWAY_TRUSTED_PROXIES',
    '',
    'comma list of networks whose X-Forwarded-For is believed; limits on logins are per address',
    networks,
  ),
  smtpUrl: optional(
    'SPILLWAY_SMTP_URL',
    'mail goes to <data>/outbox/*.eml',
    'smtp:// or smtps:// URL, with credentials, of the mail server',
    smtpUrl,
  ),
  mailFrom: optional(
    'SPILLWAY_MAIL_FROM',
    'spillway@ the host of the public URL',
    'sender of our mail',
    plainText,
  ),
  eventsWebhookUrl: optional(
    'SPILLWAY_EVENTS_WEBHOOK_URL',
    'no calls',
    'http or https URL, with credentials if need be, that is told when a drain is held, fails, is disabled or recovers',
    secretHttpUrl,
  ),
  logLevel: withDefault(
    'SPILLWAY_LOG_LEVEL',
    'info',
    "debug, info, warn or error: which of the program's own log lines are written",
    oneOf(['debug', 'info', 'warn', 'error'] as const),
  ),
  shutdownSeconds: withDefault(
    'SPILLWAY_SHUTDOWN_SECONDS',
    '25',
    'how long a stop may take; what is not delivered by then is delivered after the next start',
    duration('seconds', 0.1, 3_600),
  ),
  kafkaBrokers: unavailable('KAFKA_BROKERS', 'the Kafka engine'),
  redisUrl: unavailable('REDIS_URL', 'the Redis fan-out for tails'),
  databaseUrl: unavailable('DATABASE_URL', 'the Postgres registry'),
} as const;

const roleNames = ['ingest', 'router', 'tail', 'controller'];

function roles(text: string): ReturnType<ValueParser<'all'>> {
  const named = text.split(/[\s,]+/).filter((role) => role !== '');
  if (named.length === 1 && named[0] === 'all') return { ok: true, value: 'all' };
  const unknown = named.filter((role) => role !== 'all' && !roleNames.includes(role));
  if (unknown.length > 0) {
    return {
      ok: false,
      problem: `names no role with ${JSON.stringify(unknown.join(','))}; use "all"`,
    };
  }
  return {
    ok: false,
    problem:
      'splits the roles over nodes, which needs the Kafka and Postgres engines that this version does not have yet: the embedded log has one owner; use "all"',
  };
}

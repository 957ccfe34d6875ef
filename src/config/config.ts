import { ConfigError } from '../core/errors.ts';
import type { Secret } from '../core/secret.ts';
import { bounds } from './bounds.ts';
import type { Env } from './env.ts';
import type { ListenAddress } from './value-parser.ts';
import { isKubernetesService, nearestName } from './variable-name.ts';
import { variables, type Variable } from './variables.ts';

/** Everything that can be set, by folder; frozen. Bounds carry their unit in their name. */
export interface Config {
  readonly process: Bounds<'process'> & {
    readonly roles: 'all';
    /** The log, checkpoints, registry, keys and outbox live here. */
    readonly dataDir: string;
    readonly logLevel: 'debug' | 'info' | 'warn' | 'error';
    /** JSON log lines also on a terminal. */
    readonly production: boolean;
    readonly shutdownMsMax: number;
  };
  readonly http: Bounds<'http'> & {
    readonly listen: ListenAddress;
    /** What clients are told; undefined is derived from the listener. */
    readonly publicUrl: string | undefined;
    readonly logsUrl: string | undefined;
  };
  readonly admin: Bounds<'admin'> & { readonly listen: ListenAddress };
  readonly bus: Bounds<'bus'> & {
    readonly kind: 'embedded';
    readonly partitions: number;
    readonly segmentBytes: number;
    /** Lowered by a small disk to half of its free space plus the log's own bytes. */
    readonly retentionBytesMax: number;
    /** Nobody chose the size: a small disk lowers it to half of the sum of the free space and the log's own bytes. */
    readonly retentionFitsDisk: boolean;
    readonly retentionAgeMsMax: number;
  };
  readonly registry: Bounds<'registry'> & { readonly kind: 'sqlite' };
  readonly ingest: Omit<Bounds<'ingest'>, 'syslog'> & {
    readonly syslog: Bounds<'ingest'>['syslog'] & SyslogDoors;
    readonly strict: boolean;
    readonly bodyBytesMax: number;
    /** Sustained rates of one app; 0 is no limit. */
    readonly appBytesPerSecond: number;
    readonly appMessagesPerSecond: number;
  };
  readonly drains: Omit<Bounds<'drains'>, 'egress' | 'events'> & {
    readonly egress: Bounds<'drains'>['egress'] & EgressRules;
    readonly events: Bounds<'drains'>['events'] & {
      /** Undefined: nobody is called. */
      readonly webhookUrl: Secret<string> | undefined;
    };
  };
  readonly tail: Bounds<'tail'> & {
    readonly sessionsMax: number;
    readonly historyLinesMax: number;
    readonly historyAgeMsMax: number;
  };
  readonly controller: Bounds<'controller'> & {
    /** undefined writes mail into the outbox. */
    readonly smtpUrl: Secret<string> | undefined;
    readonly mailFrom: string;
    /** Networks in CIDR form whose `X-Forwarded-For` is believed. */
    readonly trustedProxies: readonly string[];
  };
}

/** Undefined doors are shut. */
interface SyslogDoors {
  readonly listen: ListenAddress | undefined;
  readonly tls:
    | { readonly listen: ListenAddress; readonly certFile: string; readonly keyFile: string }
    | undefined;
}

/** Where drains may connect to. */
interface EgressRules {
  /** Networks in CIDR form, reachable although they are not public. */
  readonly allow: readonly string[];
  /** The same, not reachable although they are public. */
  readonly deny: readonly string[];
  readonly plain: boolean;
  readonly insecure: boolean;
  readonly caFile: string | undefined;
}

type Bounds<Folder extends keyof typeof bounds> = Widened<(typeof bounds)[Folder]>;
type Widened<T> = T extends number ? number : { readonly [Key in keyof T]: Widened<T[Key]> };

export interface ParsedConfig {
  readonly config: Config;
  /** What is probably a mistake, though one that can be started with. */
  readonly warnings: readonly string[];
}

/**
 * Pure. Throws one {@link ConfigError} with every problem. A `SPILLWAY_*` name that is not ours is a warning,
 * because another version's variable must not stop a start, and a problem to whoever asks strictly.
 */
export function parseConfig(env: Env, { strict = false } = {}): ParsedConfig {
  const problems: string[] = [];
  const values = readValues(env, problems);
  const unknown = unknownNames(env);
  if (strict) problems.push(...unknown);
  if (env.get('NODE_TLS_REJECT_UNAUTHORIZED') === '0') {
    problems.push(
      'NODE_TLS_REJECT_UNAUTHORIZED=0 turns certificate checks off for the whole process; unset it',
    );
  }
  problems.push(...contradictions(env));
  if (problems.length > 0) throw new ConfigError(problems);
  const config = buildConfig(values as Values, env);
  return { config: freeze(config), warnings: [...unknown, ...doubts(config)] };
}

type Names = keyof typeof variables;
/** A variable without a default may be absent; the others always have a value. */
type Values = {
  readonly [Name in Names]: (typeof variables)[Name] extends Variable<infer T>
    ? (typeof variables)[Name]['fallback'] extends { readonly text: string }
      ? T
      : T | undefined
    : never;
};

function readValues(env: Env, problems: string[]): Record<string, unknown> {
  const values: Record<string, unknown> = {};
  for (const [key, variable] of Object.entries<Variable>(variables)) {
    const { name, fallback } = variable;
    const text = env.get(name) ?? ('text' in fallback ? fallback.text : undefined);
    if (text === undefined) continue;
    const parsed = variable.parse(text);
    if (parsed.ok) values[key] = parsed.value;
    else problems.push(`${name} ${parsed.problem}`);
  }
  return values;
}

function buildConfig(values: Values, env: Env): Config {
  return {
    process: {
      ...bounds.process,
      roles: values.roles,
      dataDir: values.dataDir,
      logLevel: values.logLevel,
      production: env.get('NODE_ENV') === 'production',
      shutdownMsMax: values.shutdownSeconds,
    },
    http: {
      ...bounds.http,
      listen: values.listen,
      publicUrl: values.publicUrl,
      logsUrl: values.logsUrl,
    },
    admin: { ...bounds.admin, listen: values.adminListen },
    bus: {
      ...bounds.bus,
      kind: 'embedded',
      partitions: values.partitions,
      segmentBytes: values.segmentBytes,
      retentionAgeMsMax: values.retentionHours,
      retentionBytesMax: values.retentionBytes,
      retentionFitsDisk: env.get('SPILLWAY_RETENTION_BYTES') === undefined,
    },
    registry: { ...bounds.registry, kind: 'sqlite' },
    ingest: {
      ...bounds.ingest,
      syslog: { ...bounds.ingest.syslog, ...syslogDoors(values) },
      strict: values.ingestStrict,
      bodyBytesMax: values.ingestBodyBytesMax,
      // One app may hold an eighth: it must be able to send its largest body, twice.
      bytesInFlightMax: Math.max(bounds.ingest.bytesInFlightMax, 16 * values.ingestBodyBytesMax),
      appBytesPerSecond: values.appRateBytes,
      appMessagesPerSecond: values.appRateMessages,
    },
    drains: {
      ...bounds.drains,
      egress: {
        ...bounds.drains.egress,
        allow: values.egressAllow,
        deny: values.egressDeny,
        plain: values.egressPlain,
        insecure: values.egressInsecure,
        caFile: values.egressCaFile,
      },
      events: { ...bounds.drains.events, webhookUrl: values.eventsWebhookUrl },
    },
    tail: {
      ...bounds.tail,
      sessionsMax: values.tailClients,
      historyLinesMax: values.tailLines,
      historyAgeMsMax: values.tailHours,
    },
    controller: {
      ...bounds.controller,
      smtpUrl: values.smtpUrl,
      mailFrom: values.mailFrom ?? defaultSender(values.publicUrl),
      trustedProxies: values.trustedProxies,
    },
  };
}

/** Both files are there when the door is: see {@link contradictions}. */
function syslogDoors(values: Values): SyslogDoors {
  const { syslogListen, syslogTlsListen, syslogTlsCertFile, syslogTlsKeyFile } = values;
  const hasTls = syslogTlsListen && syslogTlsCertFile && syslogTlsKeyFile;
  const files = { certFile: syslogTlsCertFile ?? '', keyFile: syslogTlsKeyFile ?? '' };
  return {
    listen: syslogListen,
    tls: hasTls ? { listen: syslogTlsListen, ...files } : undefined,
  };
}

/** What cannot go together, though each is valid alone. */
function contradictions(env: Env): string[] {
  const { syslogTlsListen, syslogTlsCertFile, syslogTlsKeyFile } = variables;
  const hasDoor = env.has(syslogTlsListen.name);
  return [syslogTlsCertFile.name, syslogTlsKeyFile.name]
    .filter((name) => env.has(name) !== hasDoor)
    .map((name) =>
      hasDoor
        ? `${name} is missing, which ${syslogTlsListen.name} needs`
        : `${name} is set, but not ${syslogTlsListen.name}, which it is for`,
    );
}

function defaultSender(publicUrl: string | undefined): string {
  return `spillway@${publicUrl === undefined ? 'localhost' : new URL(publicUrl).hostname}`;
}

function unknownNames(env: Env): string[] {
  const known = Object.values<Variable>(variables).map(({ name }) => name);
  const warnings: string[] = [];
  for (const [name, value] of env) {
    if (!name.startsWith('SPILLWAY_') || known.includes(name)) continue;
    if (isKubernetesService(name, value)) continue;
    const nearest = nearestName(name, known);
    const suggestion = nearest === undefined ? 'see spillway --help' : `did you mean ${nearest}?`;
    warnings.push(`${name} is not a variable of Spillway; ${suggestion}`);
  }
  return warnings;
}

/** Settings that contradict each other, though each is valid alone. */
function doubts({ bus }: Config): string[] {
  const warnings: string[] = [];
  if (bus.retentionBytesMax < 2 * bus.segmentBytes) {
    warnings.push(
      'SPILLWAY_RETENTION_BYTES is less than two segments (SPILLWAY_SEGMENT_BYTES): the segment being written always stays, so the log will be larger',
    );
  }
  return warnings;
}

function freeze<T>(value: T): T {
  if (typeof value === 'object' && value !== null && !Object.isFrozen(value)) {
    Object.values(value).forEach(freeze);
    Object.freeze(value);
  }
  return value;
}

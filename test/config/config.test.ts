import { inspect } from 'node:util';
import { expect, test } from 'vitest';
import { parseConfig, type ParsedConfig } from '../../src/config/config.ts';
import { readEnv } from '../../src/config/env.ts';
import { ConfigError } from '../../src/core/errors.ts';

test('an empty environment is a complete configuration without warnings', () => {
  const { config, warnings } = parse({});
  expect(warnings).toEqual([]);
  expect(config.http.listen).toEqual({ host: '127.0.0.1', port: 8080 });
  expect(config.admin.listen).toEqual({ host: '127.0.0.1', port: 9090 });
  expect(config.http.publicUrl).toBeUndefined();
  expect(config.process).toMatchObject({ dataDir: './data', roles: 'all', production: false });
  expect(config.process.shutdownMsMax).toBe(25_000);
  expect(config.bus).toMatchObject({
    kind: 'embedded',
    partitions: 1,
    segmentBytes: 64 * 1024 ** 2,
    retentionAgeMsMax: 168 * 3_600_000,
    retentionBytesMax: 10 * 1024 ** 3,
  });
  expect(config.ingest).toMatchObject({
    strict: false,
    bodyBytesMax: 8 * 1024 ** 2,
    appBytesPerSecond: 4 * 1024 ** 2,
    appMessagesPerSecond: 20_000,
  });
  expect(config.tail).toMatchObject({ sessionsMax: 10_000, historyLinesMax: 1_500 });
  expect(config.drains.egress).toMatchObject({ allow: [], plain: false, insecure: false });
  expect(config.controller.mailFrom).toBe('spillway@localhost');
});

test('every variable reaches its field', () => {
  const { config } = parse({
    SPILLWAY_LISTEN: '[::1]:0',
    SPILLWAY_ADMIN_LISTEN: 'localhost:9191',
    SPILLWAY_DATA_DIR: '/data',
    SPILLWAY_PARTITIONS: '4',
    SPILLWAY_PUBLIC_URL: 'https://logs.example.com/',
    SPILLWAY_LOGS_URL: 'http://post.example.com/logs',
    SPILLWAY_INGEST_BODY_BYTES_MAX: '1MiB',
    SPILLWAY_APP_RATE_BYTES: '0',
    SPILLWAY_APP_RATE_MESSAGES: '0',
    SPILLWAY_EGRESS_ALLOW: '127.0.0.0/8, ::1/128,10.1.2.3',
    SPILLWAY_EGRESS_PLAIN: '1',
    SPILLWAY_EGRESS_INSECURE: 'true',
    SPILLWAY_EGRESS_CA_FILE: '/etc/ca.pem',
    SPILLWAY_RETENTION_BYTES: '200M',
    SPILLWAY_RETENTION_HOURS: '0.5',
    SPILLWAY_SEGMENT_BYTES: '65536',
    SPILLWAY_TAIL_LINES: '10',
    SPILLWAY_TAIL_HOURS: '1',
    SPILLWAY_TAIL_CLIENTS: '5',
    SPILLWAY_MAIL_FROM: 'ops@example.com',
    SPILLWAY_LOG_LEVEL: 'debug',
    SPILLWAY_SHUTDOWN_SECONDS: '2.5',
    INGEST_STRICT: '1',
    NODE_ENV: 'production',
  });
  expect(config.http.listen).toEqual({ host: '::1', port: 0 });
  expect(config.admin.listen).toEqual({ host: 'localhost', port: 9191 });
  expect(config.http.publicUrl).toBe('https://logs.example.com');
  expect(config.http.logsUrl).toBe('http://post.example.com/logs');
  expect(config.process).toMatchObject({ dataDir: '/data', production: true, logLevel: 'debug' });
  expect(config.process.shutdownMsMax).toBe(2_500);
  expect(config.ingest).toMatchObject({ bodyBytesMax: 1024 ** 2, strict: true });
  expect(config.ingest).toMatchObject({ appBytesPerSecond: 0, appMessagesPerSecond: 0 });
  expect(config.bus).toMatchObject({
    partitions: 4,
    retentionBytesMax: 200 * 1024 ** 2,
    retentionAgeMsMax: 1_800_000,
    segmentBytes: 65_536,
  });
  expect(config.drains.egress).toMatchObject({
    allow: ['127.0.0.0/8', '::1/128', '10.1.2.3/32'],
    plain: true,
    insecure: true,
    caFile: '/etc/ca.pem',
  });
  expect(config.tail).toMatchObject({
    historyLinesMax: 10,
    historyAgeMsMax: 3_600_000,
    sessionsMax: 5,
  });
  expect(config.controller.mailFrom).toBe('ops@example.com');
});

test('all problems are reported in one error', () => {
  const problems = problemsOf({
    SPILLWAY_LISTEN: '8080',
    SPILLWAY_PARTITIONS: '0',
    SPILLWAY_SEGMENT_BYTES: '3 parsecs',
    SPILLWAY_EGRESS_ALLOW: '10.0.0.0/8,10.0.0.0/33,example.com',
    INGEST_STRICT: 'perhaps',
    NODE_TLS_REJECT_UNAUTHORIZED: '0',
  });
  expect(problems).toEqual([
    'SPILLWAY_LISTEN is not host:port, as "8080" (say 127.0.0.1:8080 or [::1]:8080)',
    'SPILLWAY_PARTITIONS is 0, but must be at least 1',
    'INGEST_STRICT is neither 1 nor 0, as "perhaps"',
    'SPILLWAY_EGRESS_ALLOW holds what is not a network: "10.0.0.0/33", "example.com"',
    'SPILLWAY_SEGMENT_BYTES is not a size, as "3 parsecs" (say bytes, or 512KiB, 8MiB, 10GiB)',
    'NODE_TLS_REJECT_UNAUTHORIZED=0 turns certificate checks off for the whole process; unset it',
  ]);
});

test.each(['KAFKA_BROKERS', 'REDIS_URL', 'DATABASE_URL'])(
  '%s is known, and refused because it would do nothing',
  (name) => {
    const [problem, ...others] = problemsOf({ [name]: 'secret-canary://x' });
    expect(others).toEqual([]);
    expect(problem).toMatch(
      new RegExp(`^${name} asks for .*, which this version does not have yet`),
    );
    expect(problem).not.toContain('canary');
  },
);

test('the syslog doors are shut until they are asked for; the one over TLS needs its files', () => {
  expect(parse({}).config.ingest.syslog).toMatchObject({ listen: undefined, tls: undefined });
  const { syslog } = parse({
    SPILLWAY_SYSLOG_LISTEN: '127.0.0.1:601',
    SPILLWAY_SYSLOG_TLS_LISTEN: '[::]:6514',
    SPILLWAY_SYSLOG_TLS_CERT_FILE: '/etc/cert.pem',
    SPILLWAY_SYSLOG_TLS_KEY_FILE: '/etc/key.pem',
  }).config.ingest;
  expect(syslog).toMatchObject({
    listen: { host: '127.0.0.1', port: 601 },
    tls: {
      listen: { host: '::', port: 6514 },
      certFile: '/etc/cert.pem',
      keyFile: '/etc/key.pem',
    },
  });
  expect(
    problemsOf({ SPILLWAY_SYSLOG_TLS_LISTEN: ':6514', SPILLWAY_SYSLOG_TLS_KEY_FILE: '/key' }),
  ).toEqual([
    'SPILLWAY_SYSLOG_TLS_LISTEN is not host:port, as ":6514" (say 127.0.0.1:8080 or [::1]:8080)',
    'SPILLWAY_SYSLOG_TLS_CERT_FILE is missing, which SPILLWAY_SYSLOG_TLS_LISTEN needs',
  ]);
  expect(problemsOf({ SPILLWAY_SYSLOG_TLS_CERT_FILE: '/cert' })).toEqual([
    'SPILLWAY_SYSLOG_TLS_CERT_FILE is set, but not SPILLWAY_SYSLOG_TLS_LISTEN, which it is for',
  ]);
});

test('roles other than all are refused with the reason', () => {
  expect(problemsOf({ SPILLWAY_ROLES: 'ingest,router' })[0]).toContain(
    'the embedded log has one owner',
  );
  expect(problemsOf({ SPILLWAY_ROLES: 'ingress' })[0]).toContain('names no role with "ingress"');
  expect(parse({ SPILLWAY_ROLES: 'all' }).config.process.roles).toBe('all');
});

test('an unknown name of ours is a warning with a suggestion, and a problem to the strict', () => {
  const env = { SPILLWAY_LISTN: '127.0.0.1:1', SPILLWAY_FROBNICATE: '1', SPILLWAY_RETENTION: '1' };
  const expected = [
    'SPILLWAY_LISTN is not a variable of Spillway; did you mean SPILLWAY_LISTEN?',
    'SPILLWAY_FROBNICATE is not a variable of Spillway; see spillway --help',
  ];
  expect(parse(env).warnings).toEqual(expect.arrayContaining(expected));
  expect(problemsOf(env, true)).toEqual(expect.arrayContaining(expected));
});

test('what Kubernetes sets for services of our name is nobody’s mistake', () => {
  const { warnings } = parse({
    SPILLWAY_PORT: 'tcp://10.0.0.1:8080',
    SPILLWAY_PORT_8080_TCP: 'tcp://10.0.0.1:8080',
    SPILLWAY_PORT_8080_TCP_ADDR: '10.0.0.1',
    SPILLWAY_PORT_8080_TCP_PORT: '8080',
    SPILLWAY_PORT_8080_TCP_PROTO: 'tcp',
    SPILLWAY_SERVICE_HOST: '10.0.0.1',
    SPILLWAY_SERVICE_PORT: '8080',
    SPILLWAY_SERVICE_PORT_HTTP: '8080',
    SPILLWAY_ADMIN_SERVICE_HOST: '10.0.0.2',
    SPILLWAY_ADMIN_PORT: 'tcp://10.0.0.2:9090',
  });
  expect(warnings).toEqual([]);
  expect(parse({ SPILLWAY_ADMIN_PORT: '9090' }).warnings).toHaveLength(1);
});

test('a retention that cannot be kept is doubted, not refused', () => {
  const { warnings } = parse({ SPILLWAY_RETENTION_BYTES: '100MiB' });
  expect(warnings).toHaveLength(1);
  expect(warnings[0]).toContain('less than two segments');
});

test('nothing in it can be changed', () => {
  const { config } = parse({ SPILLWAY_EGRESS_ALLOW: '::1' });
  expect(() => Object.assign(config.drains.https, { deliverMsMax: 1 })).toThrow(TypeError);
  expect(() => Object.assign(config, { bus: undefined })).toThrow(TypeError);
  expect(() => (config.drains.egress.allow as string[]).push('0.0.0.0/0')).toThrow(TypeError);
});

test('logged or inspected, it shows no secret', () => {
  const { config } = parse({ SPILLWAY_SMTP_URL: 'smtps://ops:canary@mail.example.com:465' });
  expect(config.controller.smtpUrl?.reveal()).toContain('canary');
  expect(JSON.stringify(config)).not.toContain('canary');
  expect(inspect(config, { depth: 10 })).not.toContain('canary');
  expect(problemsOf({ SPILLWAY_SMTP_URL: 'ftp://ops:canary@x' }).join()).not.toContain('canary');
});

test('one app can hold its largest body, and another one, within its eighth of the bytes in flight', () => {
  const { ingest } = parse({ SPILLWAY_INGEST_BODY_BYTES_MAX: '64MiB' }).config;
  expect(ingest.bytesInFlightMax / 8).toBeGreaterThanOrEqual(2 * ingest.bodyBytesMax);
});

test('reads only what concerns us, and takes an empty variable for an unset one', () => {
  const env = readEnv({
    HOME: '/root',
    SPILLWAY_LISTEN: ' ',
    SPILLWAY_X: ' a ',
    INGEST_STRICT: '',
  });
  expect([...env]).toEqual([['SPILLWAY_X', 'a']]);
});

function parse(env: Record<string, string>): ParsedConfig {
  return parseConfig(readEnv(env));
}

function problemsOf(env: Record<string, string>, strict = false): readonly string[] {
  try {
    parseConfig(readEnv(env), { strict });
  } catch (error) {
    if (error instanceof ConfigError) return error.problems;
    throw error;
  }
  return [];
}

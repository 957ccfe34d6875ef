import { readFile } from 'node:fs/promises';
import type { Config } from './config/config.ts';
import type { Clock } from './core/clock.ts';
import { ConfigError } from './core/errors.ts';
import type { Logger } from './core/logger.ts';
import type { Service } from './core/service.ts';
import type { SyslogIntake } from './ingest/syslog/syslog-intake.ts';
import { SyslogMetrics } from './ingest/syslog/syslog-metrics.ts';
import { SyslogServer } from './ingest/syslog/syslog-server.ts';

interface Parts {
  readonly clock: Clock;
  readonly logger: Logger;
  readonly metricsRegistry: ConstructorParameters<typeof SyslogMetrics>[0];
  readonly intake: SyslogIntake;
}

export interface SyslogDoors extends Pick<Service, 'close'> {
  /** Opens all of them, and resolves with their URLs. */
  listen(): Promise<readonly string[]>;
}

/**
 * The doors that the configuration asks for, none of them open yet.
 * @throws ConfigError when certificate or key cannot be read, or are not a pair.
 */
export async function createSyslogDoors(config: Config, common: Parts): Promise<SyslogDoors> {
  const { listen, tls, ...bounds } = config.ingest.syslog;
  const options = { ...bounds, messageBytesMax: config.ingest.messageBytesMax };
  const parts = { ...common, metrics: new SyslogMetrics(common.metricsRegistry) };
  const doors: SyslogServer[] = [];
  if (listen) doors.push(new SyslogServer({ ...options, listen, tls: undefined }, parts));
  if (tls) {
    const cert = await readPem('SPILLWAY_SYSLOG_TLS_CERT_FILE', tls.certFile);
    const key = await readPem('SPILLWAY_SYSLOG_TLS_KEY_FILE', tls.keyFile);
    const tlsOptions = { ...options, listen: tls.listen, tls: { cert, key } };
    try {
      doors.push(new SyslogServer(tlsOptions, parts));
    } catch (error) {
      const { message } = error as Error;
      throw new ConfigError([
        `SPILLWAY_SYSLOG_TLS_CERT_FILE and SPILLWAY_SYSLOG_TLS_KEY_FILE are no certificate and its key: ${message}`,
      ]);
    }
  }
  return {
    listen: () => Promise.all(doors.map((door) => door.listen())),
    close: async (signal) => void (await Promise.all(doors.map((door) => door.close(signal)))),
  };
}

async function readPem(name: string, file: string): Promise<string> {
  try {
    return await readFile(file, 'utf8');
  } catch (error) {
    const { code } = error as NodeJS.ErrnoException;
    throw new ConfigError([`${name} cannot be read (${code ?? 'error'}): ${file}`]);
  }
}

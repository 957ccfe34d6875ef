import { join } from 'node:path';
import { Registry as MetricsRegistry } from 'prom-client';
import { registerProcessMetrics } from './admin/admin-metrics.ts';
import { createAdminServer } from './admin/admin-server.ts';
import type { LogBus, StoredRecord } from './bus/bus.ts';
import { BusMetrics } from './bus/embedded/bus-metrics.ts';
import { lockDirectory } from './bus/embedded/directory-lock.ts';
import { EmbeddedLog } from './bus/embedded/embedded-log.ts';
import { logDirectory } from './bus/embedded/log-identity.ts';
import { NodeStorage } from './bus/embedded/node-storage.ts';
import { readCaFile } from './config/ca-file.ts';
import type { Config } from './config/config.ts';
import { version } from './config/version.ts';
import { createController } from './controller/controller.ts';
import type { Mailer } from './controller/mail/mailer.ts';
import { OutboxMailer } from './controller/mail/outbox-mailer.ts';
import { systemChance } from './core/chance.ts';
import { systemClock, type Clock } from './core/clock.ts';
import type { AppId } from './core/ids.ts';
import { Lifecycle } from './core/lifecycle.ts';
import type { Logger } from './core/logger.ts';
import { formatPosition } from './core/position.ts';
import type { Service } from './core/service.ts';
import { createDrainEvents, createDrains, urlPolicy } from './create-drains.ts';
import { createSyslogDoors } from './create-syslog-doors.ts';
import { isDiskTrouble, openPatiently } from './disk-patience.ts';
import { DrainGate } from './drains/drain-gate.ts';
import type { DrainManager } from './drains/drain-manager.ts';
import { createEgress, type Egress } from './drains/egress/create-egress.ts';
import { Ingest } from './ingest/ingest.ts';
import { IngestMetrics } from './ingest/ingest-metrics.ts';
import { PublicServer } from './public-server.ts';
import { openKeyRing, type KeyRing } from './registry/key-ring.ts';
import type { Registry } from './registry/registry.ts';
import { openSqlRegistry } from './registry/sql/sql-registry.ts';
import { Router } from './router/router.ts';
import { RouterMetrics } from './router/router-metrics.ts';
import { TailHub } from './tail/tail-hub.ts';
import { TailMetrics } from './tail/tail-metrics.ts';

export interface App {
  readonly publicUrl: string;
  readonly adminUrl: string;
  /** Of the syslog doors that are open. */
  readonly syslogUrls: readonly string[];
  /** The data directory was empty. */
  readonly firstStart: boolean;
  close(signal: AbortSignal): Promise<void>;
}

export interface AppParts {
  readonly logger: Logger;
  /** The process must end with this exit code. */
  readonly onFatal: (error: unknown, exitCode: number) => void;
  /** For whoever started the program, on the terminal. */
  readonly announce: (line: string) => void;
  /** Aborts when the process is to stop: a start that waits for the disk then gives up. */
  readonly stopping: AbortSignal;
}

/** What every part gets. */
interface Common extends AppParts {
  readonly clock: typeof systemClock;
  readonly chance: typeof systemChance;
  readonly metricsRegistry: MetricsRegistry;
}

const ioErrorExit = 74;

/**
 * Makes the parts in the order in which they need each other. The close goes the other way, but for the door,
 * which is shut first: ready off → no new connections → requests finished → drains flushed → tails ended →
 * log → registry.
 */
export async function createApp(config: Config, parts: AppParts): Promise<App> {
  const metricsRegistry = new MetricsRegistry();
  registerProcessMetrics(metricsRegistry, { version, node: process.version });
  const common: Common = { ...parts, clock: systemClock, chance: systemChance, metricsRegistry };
  const lifecycle = new Lifecycle(parts.logger);
  try {
    return await start(config, common, lifecycle);
  } catch (error) {
    await lifecycle.close(AbortSignal.abort()).catch(() => undefined);
    throw error;
  }
}

async function start(config: Config, common: Common, lifecycle: Lifecycle): Promise<App> {
  const { dataDir } = config.process;
  const { metricsRegistry, logger } = common;
  const readiness = new Map<string, Pick<Service, 'problem'>>();
  readiness.set('start', { problem: () => 'starting' });
  const late: { drains?: DrainManager } = {};

  // Before any port is opened: whoever starts twice is told so.
  let isLocked = tryLock(dataDir, lifecycle);
  const admin = await createAdminServer(config.admin, {
    registry: metricsRegistry,
    logger,
    parts: () => new Map([...readiness].map(([name, part]) => [name, part.problem()])),
    topDrains: (count) => late.drains?.largestBacklogs(count),
  });
  lifecycle.add('admin', admin);
  const door = lifecycle.add('door', new PublicServer(config.http, common));
  const doorUrl = await door.listen();

  const patiently = <T>(name: string, open: () => Promise<T>): Promise<T> =>
    openPatiently(name, open, config.process, { ...common, readiness });
  const storage = new NodeStorage(dataDir);
  const names = await patiently('data directory', () => {
    isLocked ||= lock(dataDir, lifecycle);
    return storage.list('.');
  });
  const firstStart = !names.includes('log.json');
  const busMetrics = new BusMetrics(metricsRegistry);
  // Keys are made first, then the registry, then the log: what is there says what must be there, and is not made anew.
  const hasLog = names.includes(logDirectory);
  const keys = { file: join(dataDir, 'keys'), mustExist: hasLog || names.includes(registryFile) };
  const keyRing = await patiently('keys', () => openKeyRing(keys, common));
  const registryParts = { ...common, keyRing, mustExist: hasLog };
  const registry = lifecycle.add(
    'registry',
    await patiently('registry', () => openRegistry(config, registryParts)),
  );
  const bus = lifecycle.add(
    'bus',
    await patiently('log', () => openBus(config, { ...common, storage, metrics: busMetrics })),
  );
  const router = lifecycle.add(
    'router',
    new Router({ bus, metrics: new RouterMetrics(metricsRegistry) }),
  );
  router.start();
  const attach = router.attach.bind(router);
  const tail = new TailHub(config.tail, {
    ...common,
    bus,
    attach,
    metrics: new TailMetrics(metricsRegistry),
  });
  const egress = await openEgress(config, common);
  const mailer = await createMailer(config, common);
  const events = createDrainEvents(config, { ...common, registry, mailer }, lifecycle);
  const drains = createDrains(config, {
    ...common,
    bus,
    registry,
    attach,
    egress,
    events,
    keyRing,
  });
  await drains.start();
  late.drains = drains;
  const publicUrl = config.http.publicUrl ?? doorUrl;
  const controller = await createController(
    { ...config.controller, publicUrl, logsUrl: config.http.logsUrl ?? `${publicUrl}/logs` },
    {
      ...common,
      registry,
      mailer,
      logStreams: tail,
      drainGate: new DrainGate(urlPolicy(config, egress)),
      appHead: { headOf: (app) => headOf(bus, app) },
      drainWatch: drains,
      drainCommands: drains,
    },
  );
  lifecycle.add('controller', controller);
  // Together, so that a receiver which does not answer cannot keep the tails from a proper end.
  lifecycle.add('drains and tails', {
    close: async (signal) => void (await Promise.all([drains.close(signal), tail.close(signal)])),
  });
  const ingest = new Ingest(
    { ...config.ingest, dataDir },
    { ...common, bus, directory: registry, metrics: new IngestMetrics(metricsRegistry) },
  );
  await ingest.start(recentRecords(bus, config.ingest.repeatWindowMs, common.clock));
  const unlisten = registry.onChange(() => ingest.tokensChanged());
  lifecycle.add('ingest', {
    close: async (signal) => {
      unlisten();
      // A body that trickles in must not use up the time in which tails end properly and drains are flushed.
      const own = new AbortController();
      const cancel = common.clock.after(config.process.shutdownMsMax / 4, () => own.abort());
      await ingest.close(AbortSignal.any([signal, own.signal])).finally(cancel);
    },
  });
  const syslogDoors = lifecycle.add(
    'syslog doors',
    await createSyslogDoors(config, { ...common, intake: ingest.syslog }),
  );
  const syslogUrls = await syslogDoors.listen();

  door.open({ logs: ingest.handler, api: controller });
  readiness.set('log', bus);
  readiness.set('router', router);
  readiness.delete('start');
  return {
    publicUrl: doorUrl,
    adminUrl: admin.url,
    syslogUrls,
    firstStart,
    close: (signal) => {
      readiness.set('stop', { problem: () => 'stopping' });
      door.stopAccepting();
      return lifecycle.close(signal);
    },
  };
}

/** False when the disk refuses. */
function tryLock(dataDir: string, lifecycle: Lifecycle): boolean {
  try {
    return lock(dataDir, lifecycle);
  } catch (error) {
    if (isDiskTrouble(error)) return false;
    throw error;
  }
}

function lock(dataDir: string, lifecycle: Lifecycle): true {
  const held = lockDirectory(dataDir);
  lifecycle.add('lock', { close: () => Promise.resolve(held.release()) });
  return true;
}

function openRegistry(
  { registry, process: { dataDir } }: Config,
  { mustExist, ...parts }: Common & { readonly keyRing: KeyRing; readonly mustExist: boolean },
): Promise<Registry> {
  return openSqlRegistry({ ...registry, file: join(dataDir, registryFile), mustExist }, parts);
}

const registryFile = 'registry.sqlite';

function openBus(
  config: Config,
  parts: Common & { readonly storage: NodeStorage; readonly metrics: BusMetrics },
): Promise<EmbeddedLog> {
  const onFatal = (error: unknown): void => parts.onFatal(error, ioErrorExit);
  return EmbeddedLog.open(config.bus, { ...parts, onFatal });
}

async function openEgress(config: Config, common: Common): Promise<Egress> {
  const { egress } = config.drains;
  const extra = egress.caFile === undefined ? {} : { extraPem: await readCaFile(egress.caFile) };
  return createEgress({ ...egress, ...extra }, { ...common, registry: common.metricsRegistry });
}

async function createMailer(config: Config, common: Common): Promise<Mailer> {
  const { smtpUrl, mailFrom: from, mailWaitMsMax, outboxFilesMax } = config.controller;
  if (smtpUrl) {
    // Its library takes memory that a process without a mail server has better uses for.
    const { SmtpMailer } = await import('./controller/mail/smtp-mailer.ts');
    return new SmtpMailer({ url: smtpUrl, from, waitMsMax: mailWaitMsMax });
  }
  const directory = join(config.process.dataDir, 'outbox');
  return new OutboxMailer({ directory, from, filesMax: outboxFilesMax }, common);
}

/** What was received within the last `windowMs`, and perhaps some before. */
async function* recentRecords(
  bus: EmbeddedLog,
  windowMs: number,
  clock: Clock,
): AsyncIterable<StoredRecord> {
  for (let partition = 0; partition < bus.partitions; partition++) {
    let at = bus.startOfRecent(partition, clock.nowMs() - windowMs, recentBytesMax);
    for (let atHead = false; !atHead;) {
      const page = await bus.read(at, recentPageBytes);
      yield* page.records;
      at = page.next.position;
      ({ atHead } = page);
    }
  }
}

/** What a start reads of the log at most: about a quarter of a second's worth. */
const recentBytesMax = 512 * 1024 * 1024;
const recentPageBytes = 4 * 1024 * 1024;

/** Where an app's log ends now. */
async function headOf(bus: LogBus, app: AppId): Promise<{ position: string; appSeq: number }> {
  const { head } = await bus.bounds(bus.partitionOf(app), app);
  return { position: formatPosition(head.position), appSeq: head.appSeq };
}

import type { LogBus } from './bus/bus.ts';
import type { Config } from './config/config.ts';
import { version } from './config/version.ts';
import { mailDrainEvent } from './controller/mail/drain-event-mail.ts';
import type { Mailer } from './controller/mail/mailer.ts';
import type { Chance } from './core/chance.ts';
import type { Clock } from './core/clock.ts';
import type { DrainId } from './core/ids.ts';
import type { Lifecycle } from './core/lifecycle.ts';
import type { Logger } from './core/logger.ts';
import { loopRest, systemIdleMs } from './core/loop-rest.ts';
import { LoopShare } from './core/loop-share.ts';
import type { OptionSeal } from './drains/batch-shape.ts';
import { BodyPool } from './drains/formats/body-pool.ts';
import {
  createDrainMachine,
  createDrainNotices,
  createReplayWorker,
  type DrainWorkersOptions,
} from './drains/create-drain-worker.ts';
import { DrainManager } from './drains/drain-manager.ts';
import { DrainMetrics } from './drains/drain-metrics.ts';
import { planDrain } from './drains/drain-plan.ts';
import type { Egress } from './drains/egress/create-egress.ts';
import type { DrainEvent, DrainEventSink } from './drains/events/drain-event.ts';
import { EventCourier } from './drains/events/event-courier.ts';
import { EventMetrics, type EventWay } from './drains/events/event-metrics.ts';
import { postEvent } from './drains/events/event-webhook.ts';
import { probeDrain } from './drains/probe/drain-probe.ts';
import { QueueBudget } from './drains/queue-budget.ts';
import { TcpQueues } from './drains/syslog/tcp-queues.ts';
import type { DrainUrlPolicy } from './drains/url/drain-url.ts';
import type { KeyRing } from './registry/key-ring.ts';
import type { Registry } from './registry/registry.ts';
import type { Router } from './router/router.ts';

interface Parts {
  readonly clock: Clock;
  readonly chance: Chance;
  readonly logger: Logger;
  readonly metricsRegistry: ConstructorParameters<typeof DrainMetrics>[0];
  readonly registry: Registry;
}

/** The drains with everything that they are made of. They are not started. */
export function createDrains(
  config: Config,
  parts: Parts & {
    readonly bus: LogBus;
    readonly attach: Router['attach'];
    readonly egress: Egress;
    readonly events: DrainEventSink;
    readonly keyRing: KeyRing;
  },
): DrainManager {
  const metrics = new DrainMetrics(parts.metricsRegistry);
  const { drains } = config;
  const workerParts = {
    ...parts,
    metrics,
    budget: new QueueBudget(drains),
    bodies: new BodyPool(drains),
    catchUp: new LoopShare(drains.catchUp, {
      rest: loopRest(drains.catchUp, { ...parts, idleMs: systemIdleMs }),
    }),
    dialer: parts.egress.dialer,
    tcpQueues: new TcpQueues(drains.tcpQueues, parts),
    seal: (drain: DrainId) => sealAt(parts.keyRing, drain),
  };
  const options: DrainWorkersOptions = {
    ...drains,
    plan: { ...drains, policy: urlPolicy(config, parts.egress) },
    drain: { https: { ...drains.https, userAgent }, syslog: drains.syslog },
  };
  return new DrainManager(drains.manager, {
    ...parts,
    metrics,
    makeNotices: (row) => createDrainNotices(options, workerParts, row),
    makeMachine: (row, books, checkpoint, notices) =>
      createDrainMachine(options, workerParts, { row, books, checkpoint, notices }),
    makeReplayWorker: (row, run, checkpoint) =>
      createReplayWorker(options, workerParts, { row, run, checkpoint }),
    probe: (row) =>
      probeDrain(
        planDrain(row, options.plan),
        { ...drains.probe, drain: options.drain },
        workerParts,
      ),
  });
}

/** Option values in the checkpoint of a drain open for this drain alone. */
function sealAt(keyRing: KeyRing, drain: DrainId): OptionSeal {
  const place = { table: 'checkpoints', row: String(drain), field: 'options' };
  return {
    seal: (text) => keyRing.seal(text, place),
    open: (sealed) => keyRing.open(sealed, place),
  };
}

export function urlPolicy(config: Config, egress: Egress): DrainUrlPolicy {
  const { plain, insecure } = config.drains.egress;
  return { plain, insecure, addresses: egress.policy, ownUrls: ownUrls(config) };
}

/** Those that clients are told, and the syslog doors on the same hosts. */
function ownUrls({ http: { publicUrl, logsUrl }, ingest: { syslog } }: Config): readonly string[] {
  const told = [publicUrl, logsUrl].filter((url) => url !== undefined);
  const ports = [syslog.listen, syslog.tls?.listen].flatMap((door) => (door ? [door.port] : []));
  const hosts = told.map((url) => new URL(url).hostname);
  return [...told, ...hosts.flatMap((host) => ports.map((port) => `https://${host}:${port}`))];
}

/** Who is told what becomes of drains: the owner by mail, and the operator's webhook where there is one. */
export function createDrainEvents(
  config: Config,
  parts: Parts & { readonly mailer: Mailer },
  lifecycle: Lifecycle,
): DrainEventSink {
  const { webhookUrl: url, ...options } = config.drains.events;
  const metrics = new EventMetrics(parts.metricsRegistry);
  const courier = (
    way: EventWay,
    send: (event: DrainEvent, signal: AbortSignal) => Promise<void>,
  ): EventCourier =>
    lifecycle.add(
      `events by ${way}`,
      new EventCourier({ ...options, way }, { ...parts, metrics, send }),
    );
  const couriers = [courier('mail', (event) => mailDrainEvent(event, parts))];
  if (url) {
    const appName = async (event: DrainEvent): Promise<string | undefined> =>
      (await parts.registry.apps.find(event.app))?.name;
    couriers.push(
      courier('webhook', (event, signal) =>
        postEvent(event, { ...options, url, userAgent }, { appName }, signal),
      ),
    );
  }
  return { tell: (event) => couriers.forEach((one) => one.tell(event)) };
}

const userAgent = `Logplex/spillway-${version}`;

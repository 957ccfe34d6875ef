import { Registry } from 'prom-client';
import { systemChance } from '../../src/core/chance.ts';
import { appId, drainId } from '../../src/core/ids.ts';
import { LoopShare } from '../../src/core/loop-share.ts';
import { formatPosition } from '../../src/core/position.ts';
import { Secret } from '../../src/core/secret.ts';
import { createDrainMachine, createDrainNotices } from '../../src/drains/create-drain-worker.ts';
import { newBooks } from '../../src/drains/drain-books.ts';
import { DrainMetrics } from '../../src/drains/drain-metrics.ts';
import type { DrainWorker, DrainWorkerOptions } from '../../src/drains/drain-worker.ts';
import type { EgressOptions } from '../../src/drains/egress/create-egress.ts';
import type { DnsLookup } from '../../src/drains/egress/resolver.ts';
import { BodyPool } from '../../src/drains/formats/body-pool.ts';
import type { HttpsDrainOptions } from '../../src/drains/https/https-drain.ts';
import { QueueBudget } from '../../src/drains/queue-budget.ts';
import type { SyslogDrainOptions } from '../../src/drains/syslog/syslog-drain.ts';
import { TcpQueues } from '../../src/drains/syslog/tcp-queues.ts';
import { parseDrainUrl } from '../../src/drains/url/drain-url.ts';
import { testEgress } from '../drains/egress/egress-kit.ts';
import { httpsOptions } from '../drains/https/https-kit.ts';
import { syslogOptions } from '../drains/syslog/syslog-kit.ts';
import { CountingClock } from './counting-clock.ts';
import { MemoryLog } from './memory-log.ts';
import { linesRecord } from './records.ts';
import { silentLogger } from './silent-logger.ts';
import { workerDefaults } from './worker-kit.ts';

export interface DrainRigOptions {
  readonly worker?: Partial<DrainWorkerOptions>;
  readonly https?: Partial<HttpsDrainOptions>;
  readonly syslog?: Partial<SyslogDrainOptions>;
  readonly egress?: Partial<EgressOptions>;
  readonly dns?: DnsLookup;
}

/** Everything of one drain but the registry: a log in memory, the worker, the protocol, the egress guard, real time. */
export class DrainRig implements AsyncDisposable {
  readonly clock = new CountingClock();
  readonly bus = new MemoryLog();
  readonly worker: DrainWorker;
  readonly #unsubscribe: () => void;

  constructor(url: string, options: DrainRigOptions = {}) {
    const { bus, clock } = this;
    const { policy: addresses, dialer } = testEgress(options.egress, {
      clock,
      ...(options.dns ? { dns: options.dns } : {}),
    });
    const policy = { plain: true, insecure: true, addresses };
    const parsed = parseDrainUrl(url, policy);
    if (!parsed.ok) throw new Error(parsed.problems.join());
    const position = { logId: bus.logId, partition: 0, offset: 0, line: 0 };
    const batch = { bytesMax: 100_000, linesMax: 500, waitMsMax: 10 };
    const made = {
      worker: { ...workerDefaults, retryBaseMs: 10, retryMsMax: 20, ...options.worker },
      noticeIntervalMs: 10_000,
      replayFailMsMax: 3_600_000,
      plan: { policy, httpsBatch: batch, syslogBatch: batch },
      drain: {
        https: { ...httpsOptions, ...options.https },
        syslog: { ...syslogOptions, ...options.syslog },
      },
    };
    const parts = {
      bus,
      clock,
      dialer,
      budget: new QueueBudget({ queuesBytesMax: 1 << 30 }),
      bodies: new BodyPool({ bodyPoolBytesMax: 1 << 20 }),
      catchUp: new LoopShare({ turnBytesMax: 1 << 15 }),
      tcpQueues: new TcpQueues({ readingGapMs: 10 }, { clock }),
      chance: systemChance,
      logger: silentLogger,
      metrics: new DrainMetrics(new Registry()),
      seal: () => ({ seal: (text: string) => text, open: (text: string) => text }),
    };
    const row = {
      id: drainId(7),
      app: appId(1),
      token: 'd.token',
      url: new Secret(parsed.target.canonical),
      masked: parsed.target.masked,
      options: parsed.options,
      start: { position: formatPosition(position), appSeq: 0 },
      createdAtMs: 0,
      isPaused: false,
      resumes: 0,
    };
    const drain = {
      row,
      books: newBooks({ position, seq: 0 }, clock.nowMs()),
      checkpoint: () => Promise.resolve(),
      notices: createDrainNotices(made, parts, row),
    };
    this.worker = createDrainMachine(made, parts, drain).worker;
    const subscription = bus.subscribe({
      assigned: () => undefined,
      revoked: () => undefined,
      records: (_partition, records) => records.forEach((record) => this.worker.offer(record)),
    });
    this.#unsubscribe = () => subscription.close();
    this.worker.start();
  }

  get delivered(): number {
    return this.worker.books.counts.delivered;
  }

  append(texts: readonly string[]): Promise<void> {
    return this.bus.append([linesRecord(1, texts)]);
  }

  async [Symbol.asyncDispose](): Promise<void> {
    this.#unsubscribe();
    await this.worker.remove();
  }
}

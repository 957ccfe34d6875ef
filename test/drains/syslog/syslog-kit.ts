import type { Clock } from '../../../src/core/clock.ts';
import { systemClock } from '../../../src/core/clock.ts';
import type { Position } from '../../../src/core/position.ts';
import type { Batch, FailureReason, StreamEvents } from '../../../src/drains/drain.ts';
import type { EgressDialer } from '../../../src/drains/egress/egress-dialer.ts';
import { SyslogDrain, type SyslogDrainOptions } from '../../../src/drains/syslog/syslog-drain.ts';
import { TcpQueues } from '../../../src/drains/syslog/tcp-queues.ts';
import { CertificateAuthority } from '../../support/certificates.ts';
import { testEgress } from '../egress/egress-kit.ts';
import { drainTarget } from '../url/drain-target.ts';

export const authority = new CertificateAuthority();
export const never = new AbortController().signal;

export const syslogOptions: SyslogDrainOptions = {
  windowMs: 2000,
  windowBytesMax: 8 * 1024 * 1024,
  stallMsMax: 18_000,
  connectionMsMax: 5 * 3_600_000,
  renewAheadMs: 600_000,
  renewRetryMs: 60_000,
  finMsMax: 5000,
  tickMs: 500,
  keepAliveMs: 8000,
  receivedBytesMax: 1024 * 1024,
};

/** What a drain told its worker. */
export class RecordedEvents implements StreamEvents {
  readonly confirmedOffsets: number[] = [];
  readonly breaks: FailureReason[] = [];
  /** What certificates were refused for. */
  readonly certificates: string[] = [];
  #wake = (): void => {};

  confirmed(position: Position): void {
    this.confirmedOffsets.push(position.offset);
    this.#wake();
  }

  broken(reason: FailureReason, certificate?: string): void {
    this.breaks.push(reason);
    if (certificate !== undefined) this.certificates.push(certificate);
    this.#wake();
  }

  get lastConfirmed(): number {
    return this.confirmedOffsets.at(-1) ?? 0;
  }

  async until(isDone: () => boolean): Promise<void> {
    while (!isDone()) {
      await new Promise<void>((resolve) => {
        this.#wake = resolve;
      });
    }
  }
}

export type Dial = EgressDialer['connect'];

/** A drain to `url`, through the real egress, which trusts {@link authority} and may reach loopback. */
export function syslogDrain(
  url: string,
  parts: {
    clock?: Clock;
    options?: Partial<SyslogDrainOptions>;
    events?: StreamEvents;
    /** Stands between the drain and the real egress. */
    through?: (dial: Dial) => Dial;
    /** What TCP holds, told instead of asked. */
    heldBytes?: () => number;
  } = {},
): SyslogDrain & AsyncDisposable {
  const clock = parts.clock ?? systemClock;
  const { dialer, policy } = testEgress({ extraPem: authority.pem }, { clock });
  const { heldBytes } = parts;
  const dial: Dial = dialer.connect.bind(dialer);
  const tcpQueues = heldBytes
    ? { unacknowledged: () => Promise.resolve(heldBytes()) }
    : new TcpQueues({ readingGapMs: 0 }, { clock });
  const drain = new SyslogDrain(
    { ...syslogOptions, ...parts.options },
    { dialer: { connect: parts.through?.(dial) ?? dial }, clock, tcpQueues },
    drainTarget(url, policy),
    parts.events ?? new RecordedEvents(),
  );
  return Object.assign(drain, { [Symbol.asyncDispose]: () => drain.close(AbortSignal.abort()) });
}

/** The batch of one record with these texts. */
export function batch(offset: number, ...texts: string[]): Batch {
  const frames = texts.map((text) => {
    const message = `<14>1 T d.x app web.1 - - ${text}\n`;
    return `${Buffer.byteLength(message)} ${message}`;
  });
  return {
    id: String(offset).padStart(32, '0'),
    to: { logId: '0123456789abcdef', partition: 0, offset, line: 0 },
    messages: texts.length,
    body: Buffer.from(frames.join('')),
  };
}

/** The text of a received message. */
export function textOf(message: Buffer): string {
  return message.toString().split(' - - ')[1]?.trimEnd() ?? '';
}

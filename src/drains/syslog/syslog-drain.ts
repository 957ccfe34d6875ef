import type { Clock } from '../../core/clock.ts';
import type { Batch, Delivery, Drain, StreamEvents } from '../drain.ts';
import type { DialFailure } from '../egress/dial-failure.ts';
import { dialTls, type DialTarget, type EgressDialer } from '../egress/egress-dialer.ts';
import { outcomeOfFailure } from '../outcome.ts';
import type { DrainOptions } from '../url/drain-options.ts';
import type { DrainTarget } from '../url/drain-url.ts';
import { StallWatch } from './stall-watch.ts';
import { Successor, type SuccessorOptions } from './successor.ts';
import { SyslogConnection, type SyslogConnectionOptions } from './syslog-connection.ts';
import type { TcpQueues } from './tcp-queues.ts';
import { UnconfirmedWindow, type UnconfirmedWindowOptions } from './unconfirmed-window.ts';

export interface SyslogDrainOptions
  extends SyslogConnectionOptions, UnconfirmedWindowOptions, SuccessorOptions {
  /** No progress for this long, with something to send, is a dead peer. */
  readonly stallMsMax: number;
  /** Older connections are not written to any more, so that changes of the name apply. */
  readonly connectionMsMax: number;
  /** How long before that another is opened beside it. */
  readonly renewAheadMs: number;
  /** How long the answer to our FIN may take. */
  readonly finMsMax: number;
  /** How often the window is looked at while it is not empty. */
  readonly tickMs: number;
}

export interface SyslogDrainParts {
  readonly dialer: Pick<EgressDialer, 'connect'>;
  readonly tcpQueues: Pick<TcpQueues, 'unacknowledged'>;
  readonly clock: Clock;
}

export interface SyslogDrainPlan {
  readonly target: DrainTarget;
  readonly options: Pick<DrainOptions, 'insecure' | 'sni' | 'identity'>;
}

/**
 * Writes batches to one long connection, RFC 5425 or plain TCP. The protocol acknowledges nothing, so a
 * batch is `written` first, and confirmed when the window has moved past it. A break while a batch is
 * delivered is its `retry`, any other is `broken`; both mean that everything unconfirmed is sent again.
 */
export class SyslogDrain implements Drain {
  readonly #options: SyslogDrainOptions;
  readonly #parts: SyslogDrainParts;
  readonly #plan: SyslogDrainPlan;
  readonly #events: StreamEvents;
  readonly #window: UnconfirmedWindow;
  readonly #stall: StallWatch;
  readonly #successor: Successor;
  #connection: SyslogConnection | undefined;
  #cancelTicks: (() => void) | undefined;
  #isLooking = false;

  constructor(
    options: SyslogDrainOptions,
    parts: SyslogDrainParts,
    plan: SyslogDrainPlan,
    events: StreamEvents,
  ) {
    this.#options = options;
    this.#parts = parts;
    this.#plan = plan;
    this.#events = events;
    this.#window = new UnconfirmedWindow(options);
    this.#stall = new StallWatch(options);
    this.#successor = new Successor(options, {
      clock: parts.clock,
      open: async (signal) => {
        const opened = await this.#open(signal);
        return opened instanceof SyslogConnection ? opened : undefined;
      },
    });
  }

  async deliver(batch: Batch, signal: AbortSignal): Promise<Delivery> {
    if (signal.aborted) return this.#retry(closed);
    if (this.#isToBeReplaced() && !(await this.#end(signal))) return this.#retry(closed);
    const connection = this.#connection ?? (await this.#connect(signal));
    if (!(connection instanceof SyslogConnection)) return connection;
    const failure = await this.#write(connection, batch, signal);
    return failure === undefined ? { kind: 'written' } : this.#retry(failure);
  }

  /**
   * Ends the connection so that the receiver can confirm everything, as long as `signal` lets it. Without any time
   * nothing more may reach the receiver.
   */
  async close(signal: AbortSignal): Promise<void> {
    this.#successor.close();
    if (signal.aborted) this.#connection?.reset();
    await this.#end(signal);
    this.#forget();
  }

  async #connect(signal: AbortSignal): Promise<SyslogConnection | Delivery> {
    const connection = this.#successor.take() ?? (await this.#open(signal));
    if (!(connection instanceof SyslogConnection)) return connection;
    this.#connection = connection;
    this.#stall.reset(this.#parts.clock.monotonicMs());
    return connection;
  }

  async #open(signal: AbortSignal): Promise<SyslogConnection | Delivery> {
    const { clock, dialer } = this.#parts;
    const result = await dialer.connect(dialTarget(this.#plan), signal);
    if (!result.ok) return outcomeOfFailure(result.failure);
    const connection: SyslogConnection = new SyslogConnection(
      this.#options,
      result.dialled,
      clock.monotonicMs(),
      (failure) => this.#broken(connection, failure),
    );
    return connection;
  }

  async #write(
    connection: SyslogConnection,
    batch: Batch,
    signal: AbortSignal,
  ): Promise<DialFailure | undefined> {
    const { clock } = this.#parts;
    // A half-written frame cannot be taken back: giving up the write is giving up the connection.
    const abort = (): void => connection.fail(closed);
    signal.addEventListener('abort', abort, { once: true });
    this.#window.block(clock.monotonicMs());
    const writing = connection.write(batch.body);
    this.#startTicks();
    const failure = await writing;
    signal.removeEventListener('abort', abort);
    if (failure === undefined) {
      this.#window.add(batch.to, connection.sentBytes, clock.monotonicMs());
    }
    return failure;
  }

  #retry(failure: DialFailure): Delivery {
    this.#forget();
    return { kind: 'retry', ...failure };
  }

  #broken(connection: SyslogConnection, { reason, certificate }: DialFailure): void {
    if (this.#connection !== connection) return;
    const isLossy = !this.#window.isEmpty;
    this.#forget();
    // A receiver may end a connection on which nothing is under way: the next batch opens another.
    if (isLossy) this.#events.broken(reason, certificate);
  }

  /**
   * An old connection goes on carrying lines until another one is there. When none can be had, it ends nevertheless:
   * what the name and the certificate say by then is what counts.
   */
  #isToBeReplaced(): boolean {
    const { connectionMsMax, renewAheadMs } = this.#options;
    if (!this.#connection) return false;
    const ageMs = this.#parts.clock.monotonicMs() - this.#connection.sinceMs;
    if (ageMs < connectionMsMax - renewAheadMs) return false;
    this.#successor.prepare();
    return this.#successor.isReady || ageMs >= connectionMsMax;
  }

  /** True when nothing is left unconfirmed. The order of lines needs the old connection read before a new one opens. */
  async #end(signal: AbortSignal): Promise<boolean> {
    const connection = this.#connection;
    if (!connection) return true;
    this.#connection = undefined;
    this.#stopTicks();
    const destroy = (): void => connection.destroy();
    const cancelTimer = this.#parts.clock.after(this.#options.finMsMax, destroy);
    signal.addEventListener('abort', destroy, { once: true });
    if (signal.aborted) destroy();
    const isAnswered = await connection.end();
    cancelTimer();
    signal.removeEventListener('abort', destroy);
    if (isAnswered) this.#confirm(this.#window.confirmAll());
    const { reason, certificate } = connection.failure ?? closed;
    // Other breaks at the end are no news: what was not confirmed is not.
    if (certificate !== undefined) this.#events.broken(reason, certificate);
    return this.#window.isEmpty;
  }

  #forget(): void {
    this.#connection?.destroy();
    this.#connection = undefined;
    this.#window.clear();
    this.#stopTicks();
  }

  #startTicks(): void {
    this.#cancelTicks ??= this.#parts.clock.every(this.#options.tickMs, () => void this.#tick());
  }

  #stopTicks(): void {
    this.#cancelTicks?.();
    this.#cancelTicks = undefined;
  }

  /** Asks TCP how far it is, and moves the window; or finds that nothing moves any more. */
  async #tick(): Promise<void> {
    const connection = this.#connection;
    if (!connection || this.#isLooking) return;
    this.#isLooking = true;
    // Before the reading: what is written after it must not be taken for acknowledged.
    const { sentBytes } = connection;
    const heldBytes = await this.#parts.tcpQueues.unacknowledged(connection.endpoints);
    this.#isLooking = false;
    if (this.#connection !== connection) return;
    const nowMs = this.#parts.clock.monotonicMs();
    const isStalled = this.#stall.look(
      { sentBytes, heldBytes, isWriting: connection.isWriting },
      nowMs,
    );
    if (isStalled) return connection.fail({ reason: 'timeout' });
    this.#confirm(this.#window.confirm(sentBytes - (heldBytes ?? 0), nowMs));
    if (this.#window.isEmpty && !connection.isWriting) this.#stopTicks();
  }

  #confirm(position: Parameters<StreamEvents['confirmed']>[0] | undefined): void {
    if (position) this.#events.confirmed(position);
  }
}

const closed: DialFailure = { reason: 'closed' };

function dialTarget({ target, options }: SyslogDrainPlan): DialTarget {
  const { host, port } = target;
  if (!target.tls) return { host, port, tls: undefined };
  return { host, port, tls: dialTls(options) };
}

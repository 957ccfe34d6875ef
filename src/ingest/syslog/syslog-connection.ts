import type { Socket } from 'node:net';
import type { Clock } from '../../core/clock.ts';
import type { AppId } from '../../core/ids.ts';
import type { Logger } from '../../core/logger.ts';
import { headerBytesMax } from '../../syslog/header.ts';
import { StreamFramer, type FramedMessage } from '../../syslog/stream-framer.ts';
import type { Access } from '../token-cache.ts';
import { GatheredLines } from './gathered-lines.ts';
import { readSenderMessage } from './sender-message.ts';
import type { SyslogIntake } from './syslog-intake.ts';
import type { SyslogEnding, SyslogMetrics } from './syslog-metrics.ts';

export interface SyslogConnectionOptions {
  /** Texts that are longer are cut. */
  readonly messageBytesMax: number;
  /** Without a valid token in this time, in so many messages or so many bytes of them, a connection is closed. */
  readonly unauthorisedMsMax: number;
  readonly unauthorisedMessagesMax: number;
  readonly unauthorisedBytesMax: number;
  /** One message that is still longer than this has no end. */
  readonly pendingBytesMax: number;
  readonly idleMsMax: number;
  /** After we have ended our side: what the peer had sent by then is still read. */
  readonly endMsMax: number;
}

export interface SyslogConnectionParts {
  readonly intake: Pick<SyslogIntake, 'judge' | 'store'>;
  readonly metrics: SyslogMetrics;
  readonly clock: Clock;
  readonly logger: Logger;
}

/** The beginning of a long message is kept so far that its text is seen to be too long, and can be cut. */
const spareBytes = 16;

const brokenMessage: FramedMessage = { bytes: Buffer.alloc(0), skippedBytes: 0 };

/**
 * One sender's connection. What a read brings is cut into messages, stored by app, and durable before the next read:
 * so a busy log, app or registry shows to the sender as a receiver that does not read, and at most one read and the
 * beginning of one message are in memory. Our FIN comes after everything before the sender's own FIN is durable.
 */
export class SyslogConnection {
  readonly #socket: Socket;
  readonly #options: SyslogConnectionOptions;
  readonly #parts: SyslogConnectionParts;
  readonly #framer: StreamFramer;
  readonly #stop = new AbortController();
  /** Whose lines came last: broken ones are counted for them. */
  #last: Access | undefined;
  /** Until the first valid token: of the connection; later: since the last one. Time that we took is left out. */
  #unauthorised = { sinceMs: 0, messages: 0, bytes: 0 };
  #readMs: number;
  #isStoring = false;
  /** Nothing more is read. */
  #isCut = false;
  #ending: SyslogEnding | undefined;
  #endedMs: number | undefined;

  constructor(options: SyslogConnectionOptions, parts: SyslogConnectionParts, socket: Socket) {
    this.#options = options;
    this.#parts = parts;
    this.#socket = socket;
    const keptBytesMax = headerBytesMax + options.messageBytesMax + spareBytes;
    this.#framer = new StreamFramer({ keptBytesMax });
    this.#readMs = this.#unauthorised.sinceMs = parts.clock.monotonicMs();
  }

  /** It is not read now. */
  get isWaiting(): boolean {
    return this.#isStoring;
  }

  /** Resolves with the reason when the connection is over and everything taken from it is stored. */
  async serve(): Promise<SyslogEnding> {
    const socket = this.#socket;
    // What breaks after the last read concerns nobody.
    socket.on('error', () => undefined);
    try {
      await this.#readAll();
      socket.destroySoon();
    } catch (error) {
      this.#failed(error);
      socket.destroy();
    }
    return this.#ending ?? 'ended';
  }

  /** To be called now and then: ends what has lasted too long. */
  tend(nowMs: number): void {
    if (this.#isStoring) return;
    if (this.#endedMs !== undefined) {
      if (nowMs - this.#endedMs > this.#options.endMsMax) this.#socket.destroy();
    } else if (this.#isUnauthorised(nowMs)) {
      this.#close('unauthorised');
    } else if (nowMs - this.#readMs > this.#options.idleMsMax) {
      this.end('idle');
    }
  }

  /** Ends our side; what is on its way is read and stored, for a while. */
  end(reason: SyslogEnding): void {
    this.#ending ??= reason;
    this.#endedMs ??= this.#parts.clock.monotonicMs();
    this.#socket.end();
  }

  /** Reads no more and waits for nothing; what is being written to the log is still written. */
  stop(): void {
    this.#ending ??= 'stopped';
    this.#isCut = true;
    this.#stop.abort();
    if (!this.#isStoring) this.#socket.destroy();
  }

  /** Nothing more of it is wanted. */
  #close(reason: SyslogEnding): void {
    this.#ending ??= reason;
    this.#isCut = true;
    this.#socket.destroy();
  }

  async #readAll(): Promise<void> {
    const isWhole = await this.#readUntilEnd();
    if (this.#isCut) return;
    // A connection that breaks leaves what was read ahead of us.
    for (
      let rest = this.#socket.read() as Buffer | null;
      rest;
      rest = this.#socket.read() as Buffer
    )
      await this.#take(rest);
    if (!this.#isCut) await this.#takeRest(isWhole);
  }

  /** @returns whether the sender ended its side in good order. */
  async #readUntilEnd(): Promise<boolean> {
    try {
      for await (const chunk of this.#socket.iterator({ destroyOnReturn: false })) {
        await this.#take(chunk as Buffer);
        if (this.#isCut) break;
      }
      return true;
    } catch (error) {
      if (this.#socket.errored === null) throw error;
      this.#ending ??= 'failed';
      return false;
    }
  }

  async #take(chunk: Buffer): Promise<void> {
    const { clock, metrics } = this.#parts;
    metrics.bytes.inc(chunk.length);
    await this.#store(this.#framer.push(chunk));
    const nowMs = clock.monotonicMs();
    this.#readMs = nowMs;
    if (this.#isUnauthorised(nowMs)) this.#close('unauthorised');
    else if (this.#framer.pendingBytes > this.#options.pendingBytesMax) {
      // In the books as every other message of which only the beginning came.
      await this.#store([brokenMessage]);
      this.#close('overlong');
    }
  }

  /** A last line without its LF is whole when the sender ended its side; everything else unfinished is broken. */
  async #takeRest(isWhole: boolean): Promise<void> {
    const isPending = this.#framer.pendingBytes > 0;
    const message = this.#framer.end();
    if (isWhole && message) await this.#store([message]);
    else if (isPending) await this.#store([brokenMessage]);
  }

  async #store(messages: readonly FramedMessage[]): Promise<void> {
    if (messages.length === 0) return;
    this.#isStoring = true;
    try {
      const gathered = await this.#gather(messages);
      const { signal } = this.#stop;
      const stored = gathered.map((lines) => this.#parts.intake.store(lines, signal));
      const failed = (await Promise.allSettled(stored)).find(({ status }) => status === 'rejected');
      if (failed) throw (failed as PromiseRejectedResult).reason;
    } finally {
      this.#isStoring = false;
    }
  }

  /** Sorts messages by the apps that their tokens belong to; the order within an app stays. */
  async #gather(messages: readonly FramedMessage[]): Promise<readonly GatheredLines[]> {
    const gathered = new Map<AppId, GatheredLines>();
    const known = new Map<string, Access | 'unknown'>();
    const linesOf = (access: Access): GatheredLines => {
      const lines = gathered.get(access.app) ?? new GatheredLines(access);
      gathered.set(access.app, lines);
      return lines;
    };
    const { metrics, clock } = this.#parts;
    const nowMs = clock.nowMs();
    for (const { bytes, skippedBytes } of messages) {
      const message = readSenderMessage(bytes, nowMs);
      metrics.messages.inc({ format: message?.format ?? 'malformed' });
      if (!message) {
        if (this.#last) linesOf(this.#last).malformed++;
        else if (this.#refused(bytes.length + skippedBytes)) break;
        continue;
      }
      const access = await this.#access(message.token, known);
      if (access === 'missing' || access === 'unknown') {
        metrics.unauthorised.inc({ reason: access });
        if (this.#refused(bytes.length + skippedBytes)) break;
        continue;
      }
      this.#last = access;
      this.#unauthorised = { sinceMs: clock.monotonicMs(), messages: 0, bytes: 0 };
      linesOf(access).add(message.bytes, skippedBytes);
    }
    return [...gathered.values()];
  }

  async #access(
    token: string | undefined,
    known: Map<string, Access | 'unknown'>,
  ): Promise<Access | 'unknown' | 'missing'> {
    if (token === undefined) return 'missing';
    const found = known.get(token);
    if (found) return found;
    const sinceMs = this.#parts.clock.monotonicMs();
    const access = await this.#parts.intake.judge(token, this.#stop.signal);
    this.#unauthorised.sinceMs += this.#parts.clock.monotonicMs() - sinceMs;
    known.set(token, access);
    return access;
  }

  /** @returns whether that was enough, so that one read cannot ask the registry for thousands of tokens. */
  #refused(bytes: number): boolean {
    this.#unauthorised.messages++;
    this.#unauthorised.bytes += bytes;
    return this.#isUnauthorised(this.#parts.clock.monotonicMs());
  }

  /**
   * Who never had a valid token is bounded in time, messages and bytes, each; a message that has not ended does not
   * count yet, because its sender would come back with the same one for ever. A relay may carry lines of an app whose
   * token was revoked beside those of others: it is ended only when nothing valid has come in between for a while.
   */
  #isUnauthorised(nowMs: number): boolean {
    const { unauthorisedMsMax, unauthorisedMessagesMax, unauthorisedBytesMax } = this.#options;
    const { sinceMs, messages, bytes } = this.#unauthorised;
    const isLate = nowMs - sinceMs > unauthorisedMsMax;
    const isTooMany = messages > unauthorisedMessagesMax;
    if (this.#last) return isLate && isTooMany;
    return isLate || isTooMany || bytes > unauthorisedBytesMax;
  }

  #failed(error: unknown): void {
    if (this.#ending) return;
    this.#ending = 'error';
    this.#parts.logger.error({ err: error }, 'ingest.syslog_failed');
  }
}

import { isIP, type Socket } from 'node:net';
import type { Clock } from '../../core/clock.ts';
import type { AddressPolicy } from './address-policy.ts';
import { connectAny } from './connect-any.ts';
import {
  classifyConnectError,
  classifySocketError,
  DialError,
  type DialFailure,
} from './dial-failure.ts';
import type { DialSlots } from './dial-slots.ts';
import type { DialWatch } from './dial-watch.ts';
import type { EgressMetrics, RefusalReason } from './egress-metrics.ts';
import { isInternalName } from './internal-name.ts';
import { isOpenPort } from './port-policy.ts';
import type { Resolver } from './resolver.ts';
import { shakeHands, type DialTls } from './tls-handshake.ts';
import type { TlsIdentity, TlsTrust } from './tls-trust.ts';

export interface DialTarget {
  /** Canonical: a lower-case name without trailing dot, or an address without brackets. */
  readonly host: string;
  readonly port: number;
  /** Undefined for plain TCP. */
  readonly tls: DialTls | undefined;
  /** Port 80 is open for this one. */
  readonly plainHttp?: boolean;
}

/** How a drain's owner wants TLS to be. */
export function dialTls(options: {
  readonly sni: string | undefined;
  readonly insecure: boolean;
  readonly identity: TlsIdentity;
}): DialTls {
  const { sni, insecure, identity } = options;
  return { ...(sni === undefined ? {} : { servername: sni }), verify: !insecure, identity };
}

export interface Dialled {
  /** What to write to and read from: after the TLS handshake, when there is one. */
  readonly stream: Socket;
  /** The TCP connection underneath; the same as `stream` without TLS. */
  readonly tcp: Socket;
}

export type DialResult =
  | { readonly ok: true; readonly dialled: Dialled }
  | { readonly ok: false; readonly failure: DialFailure };

export interface EgressDialerOptions {
  /** For everything: waiting for a slot, look-up, connection, handshake. */
  readonly connectMsMax: number;
  /** How long one address has before the next is tried as well. */
  readonly staggerMs: number;
  readonly addressesMax: number;
}

export interface EgressDialerParts {
  readonly policy: AddressPolicy;
  readonly resolver: Resolver;
  readonly slots: DialSlots;
  readonly trust: TlsTrust;
  readonly metrics: EgressMetrics;
  readonly clock: Clock;
}

/**
 * The only way out to an address that a user chose. It resolves the name itself, refuses it when any of its
 * addresses may not be reached, connects to one of exactly those addresses, and looks again at whom it
 * reached before the first byte goes out. Nothing is followed and no proxy variable is read.
 */
export class EgressDialer {
  readonly #options: EgressDialerOptions;
  readonly #parts: EgressDialerParts;

  constructor(options: EgressDialerOptions, parts: EgressDialerParts) {
    this.#options = options;
    this.#parts = parts;
  }

  /** A connected socket with no listeners of its own but for errors. Never rejects. */
  async connect(target: DialTarget, signal: AbortSignal, watch?: DialWatch): Promise<DialResult> {
    const limit = new AbortController();
    const abort = (): void => limit.abort(new DialError({ reason: 'closed' }));
    const cancelTimer = this.#parts.clock.after(this.#options.connectMsMax, () =>
      limit.abort(new DialError({ reason: 'timeout' })),
    );
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    try {
      const dialled = await this.#dial(target, limit.signal, watch);
      this.#parts.metrics.dialled('connected');
      return { ok: true, dialled };
    } catch (error) {
      const failure = classifySocketError(error);
      this.#parts.metrics.dialled(signal.aborted ? 'cancelled' : failure.reason);
      return { ok: false, failure };
    } finally {
      cancelTimer();
      signal.removeEventListener('abort', abort);
    }
  }

  async #dial(target: DialTarget, signal: AbortSignal, watch?: DialWatch): Promise<Dialled> {
    const { host, port, tls } = target;
    const giveBack = await this.#parts.slots.take(host, signal);
    try {
      const addresses = await abortable(this.#addresses(target), signal);
      watch?.done('resolve');
      const tcp = await this.#connectTcp(addresses, port, signal);
      watch?.done('connect');
      if (!tls) return { stream: tcp, tcp };
      const { trust } = this.#parts;
      const stream = await shakeHands({ tcp, host, tls, trust, watch }, signal);
      watch?.done('tls');
      return { stream, tcp };
    } finally {
      giveBack();
    }
  }

  /** The addresses that this target may be reached at; throws when it may not. */
  async #addresses(target: DialTarget): Promise<readonly string[]> {
    const addresses = await this.#lookUp(target.host);
    if (addresses.length === 0) {
      throw new DialError({ reason: target.host === 'localhost' ? 'blocked_address' : 'dns' });
    }
    const refusal = refusalOf(target, addresses, this.#parts.policy);
    if (refusal !== undefined) throw this.#refuse(refusal);
    return addresses.slice(0, this.#options.addressesMax);
  }

  async #lookUp(host: string): Promise<readonly string[]> {
    if (isIP(host) !== 0) return [host];
    if (host === 'localhost') return this.#parts.policy.loopback();
    return await this.#parts.resolver.resolve(host);
  }

  async #connectTcp(
    addresses: readonly string[],
    port: number,
    signal: AbortSignal,
  ): Promise<Socket> {
    const { clock, policy } = this.#parts;
    const options = { staggerMs: this.#options.staggerMs, clock };
    const tcp = await connectAny(addresses, port, options, signal).catch((error: unknown) => {
      throw error instanceof DialError ? error : new DialError(classifyConnectError(error));
    });
    const { remoteAddress } = tcp;
    if (remoteAddress !== undefined && policy.judge(remoteAddress) !== 'refused') return tcp;
    tcp.destroy();
    // A connection that has ended already has no peer: that says nothing about its address.
    throw remoteAddress === undefined
      ? new DialError({ reason: 'closed' })
      : this.#refuse('address');
  }

  #refuse(reason: RefusalReason): DialError {
    this.#parts.metrics.refused(reason);
    return new DialError({ reason: 'blocked_address' });
  }
}

/**
 * What is wrong with connecting there, if anything. All addresses must be public, or all of them allowed by
 * the operator: a mixture is how a name that may be looked up turns into one that may not.
 */
function refusalOf(
  target: DialTarget,
  addresses: readonly string[],
  policy: AddressPolicy,
): RefusalReason | undefined {
  const verdicts = addresses.map((address) => policy.judge(address));
  if (verdicts.every((verdict) => verdict === 'operator')) return undefined;
  if (verdicts.some((verdict) => verdict !== 'public')) return 'address';
  if (isIP(target.host) === 0 && isInternalName(target.host)) return 'name';
  return isOpenPort(target.port, target.plainHttp === true) ? undefined : 'port';
}

function abortable<T>(work: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(signal.reason as Error);
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    work.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort));
  });
}

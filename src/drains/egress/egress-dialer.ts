import { isIP, type Socket } from 'node:net';
import { connect as startTls, type TLSSocket } from 'node:tls';
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
import type { EgressMetrics, RefusalReason } from './egress-metrics.ts';
import { isInternalName } from './internal-name.ts';
import { isOpenPort } from './port-policy.ts';
import type { Resolver } from './resolver.ts';
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

export interface DialTls {
  /** The name that is asked for and that the certificate must have; the host when undefined. */
  readonly servername?: string;
  /** False accepts any certificate: only when operator and owner both said so. */
  readonly verify: boolean;
  readonly alpn?: readonly string[];
  /** The same object for every connection of a drain. */
  readonly identity?: TlsIdentity;
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
  async connect(target: DialTarget, signal: AbortSignal): Promise<DialResult> {
    const limit = new AbortController();
    const abort = (): void => limit.abort(new DialError({ reason: 'closed' }));
    const cancelTimer = this.#parts.clock.after(this.#options.connectMsMax, () =>
      limit.abort(new DialError({ reason: 'timeout' })),
    );
    signal.addEventListener('abort', abort, { once: true });
    if (signal.aborted) abort();
    try {
      const dialled = await this.#dial(target, limit.signal);
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

  async #dial(target: DialTarget, signal: AbortSignal): Promise<Dialled> {
    const giveBack = await this.#parts.slots.take(target.host, signal);
    try {
      const addresses = await abortable(this.#addresses(target), signal);
      const tcp = await this.#connectTcp(addresses, target.port, signal);
      if (!target.tls) return { stream: tcp, tcp };
      return { stream: await this.#handshake(tcp, target.host, target.tls, signal), tcp };
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
    if (policy.judge(tcp.remoteAddress ?? '') === 'refused') {
      tcp.destroy();
      throw this.#refuse('address');
    }
    return tcp;
  }

  #handshake(tcp: Socket, host: string, tls: DialTls, signal: AbortSignal): Promise<TLSSocket> {
    const servername = tls.servername ?? (isIP(host) === 0 ? host : undefined);
    return new Promise((resolve, reject) => {
      const stream = startTls({
        socket: tcp,
        // Without a server name the certificate is checked against the address.
        host,
        ...(servername === undefined ? {} : { servername }),
        ...(tls.alpn === undefined ? {} : { ALPNProtocols: [...tls.alpn] }),
        secureContext: this.#parts.trust.context(tls.identity),
        // Explicit: then NODE_TLS_REJECT_UNAUTHORIZED has no say.
        rejectUnauthorized: tls.verify,
      });
      const abort = (): void => {
        stream.destroy();
        reject(signal.reason as Error);
      };
      const settle = (): void => signal.removeEventListener('abort', abort);
      signal.addEventListener('abort', abort, { once: true });
      stream.once('secureConnect', () => {
        settle();
        resolve(stream);
      });
      stream.on('error', (error: Error) => {
        settle();
        reject(error);
      });
      stream.once('close', () => {
        settle();
        reject(new DialError({ reason: 'closed' }));
      });
    });
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

import { promises as dns } from 'node:dns';
import type { Registry } from 'prom-client';
import type { Clock } from '../../core/clock.ts';
import { AddressPolicy } from './address-policy.ts';
import { DialSlots } from './dial-slots.ts';
import { EgressDialer } from './egress-dialer.ts';
import { EgressMetrics } from './egress-metrics.ts';
import { Resolver, type DnsLookup } from './resolver.ts';
import { TlsTrust } from './tls-trust.ts';

export interface EgressOptions {
  /** Networks that drains may reach although they are not public, on any port. */
  readonly allow: readonly string[];
  /** Networks that they may not reach although they are public: the operator's own. */
  readonly deny?: readonly string[];
  /** PEM roots trusted beside the system's. */
  readonly extraPem?: string;
  readonly connectMsMax: number;
  readonly staggerMs: number;
  readonly addressesMax: number;
  readonly dialsMax: number;
  readonly dialsPerHostMax: number;
  readonly dnsTimeoutMs: number;
  readonly dnsTries: number;
  readonly dnsCacheMsMin: number;
  readonly dnsCacheMsMax: number;
  readonly dnsFailureCacheMs: number;
  readonly dnsCacheNamesMax: number;
}

export interface EgressParts {
  readonly clock: Clock;
  readonly registry: Registry;
  /** The system's name servers by default. */
  readonly dns?: DnsLookup;
}

export interface Egress {
  readonly policy: AddressPolicy;
  readonly dialer: EgressDialer;
}

/** @throws ConfigError when a network of `allow` cannot be read. */
export function createEgress(options: EgressOptions, parts: EgressParts): Egress {
  const policy = new AddressPolicy(options);
  const lookup =
    parts.dns ?? new dns.Resolver({ timeout: options.dnsTimeoutMs, tries: options.dnsTries });
  const resolver = new Resolver(
    {
      cacheMsMin: options.dnsCacheMsMin,
      cacheMsMax: options.dnsCacheMsMax,
      failureCacheMs: options.dnsFailureCacheMs,
      cacheNamesMax: options.dnsCacheNamesMax,
    },
    { dns: lookup, clock: parts.clock },
  );
  const dialer = new EgressDialer(options, {
    policy,
    resolver,
    slots: new DialSlots(options),
    trust: new TlsTrust(options.extraPem === undefined ? {} : { extraPem: options.extraPem }),
    metrics: new EgressMetrics(parts.registry),
    clock: parts.clock,
  });
  return { policy, dialer };
}

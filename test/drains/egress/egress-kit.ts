import { Registry } from 'prom-client';
import type { Clock } from '../../../src/core/clock.ts';
import { systemClock } from '../../../src/core/clock.ts';
import {
  createEgress,
  type Egress,
  type EgressOptions,
} from '../../../src/drains/egress/create-egress.ts';
import type { DnsLookup } from '../../../src/drains/egress/resolver.ts';

const egressOptions: EgressOptions = {
  allow: ['127.0.0.0/8'],
  connectMsMax: 10_000,
  staggerMs: 250,
  addressesMax: 16,
  dialsMax: 64,
  dialsPerHostMax: 8,
  dnsTimeoutMs: 1000,
  dnsTries: 2,
  dnsCacheMsMin: 5000,
  dnsCacheMsMax: 60_000,
  dnsFailureCacheMs: 5000,
  dnsCacheNamesMax: 100,
};

/** A look-up that knows a few names and no others. */
export function names(known: Readonly<Record<string, readonly string[]>>): DnsLookup {
  const answer = (name: string, is6: boolean): Promise<{ address: string; ttl: number }[]> =>
    Promise.resolve(
      (known[name] ?? [])
        .filter((address) => address.includes(':') === is6)
        .map((address) => ({ address, ttl: 60 })),
    );
  return {
    resolve4: (name) => answer(name, false),
    resolve6: (name) => answer(name, true),
  };
}

/** The real egress, with names of its own; loopback is allowed unless said otherwise. */
export function testEgress(
  over: Partial<EgressOptions> = {},
  parts: { clock?: Clock; dns?: DnsLookup } = {},
): Egress & { registry: Registry } {
  const registry = new Registry();
  const egress = createEgress(
    { ...egressOptions, ...over },
    { clock: parts.clock ?? systemClock, dns: parts.dns ?? names({}), registry },
  );
  return { ...egress, registry };
}

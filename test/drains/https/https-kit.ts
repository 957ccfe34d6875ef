import { createHash } from 'node:crypto';
import type { Clock } from '../../../src/core/clock.ts';
import { systemClock } from '../../../src/core/clock.ts';
import type { Batch } from '../../../src/drains/drain.ts';
import type { EgressDialer } from '../../../src/drains/egress/egress-dialer.ts';
import { HttpsDrain, type HttpsDrainOptions } from '../../../src/drains/https/https-drain.ts';
import { CertificateAuthority } from '../../support/certificates.ts';
import { testEgress } from '../egress/egress-kit.ts';
import { drainTarget } from '../url/drain-target.ts';

export const authority = new CertificateAuthority();
export const never = new AbortController().signal;

export const httpsOptions: HttpsDrainOptions = {
  userAgent: 'Logplex/spillway-test',
  deliverMsMax: 15_000,
  connectionMsMax: 5 * 3_600_000,
  idleMsMax: 50_000,
  responseBytesMax: 64 * 1024,
  responseHeaderBytesMax: 16 * 1024,
  responseBodyMsMax: 2000,
  retryAfterMsMin: 1000,
  retryAfterMsMax: 900_000,
};

/** A drain to `url`, through the real egress, which trusts {@link authority} and may reach loopback. */
export function httpsDrain(
  url: string,
  parts: {
    clock?: Clock;
    options?: Partial<HttpsDrainOptions>;
    dialer?: Pick<EgressDialer, 'connect'>;
  } = {},
): HttpsDrain & AsyncDisposable {
  const clock = parts.clock ?? systemClock;
  const { dialer, policy } = testEgress({ extraPem: authority.pem }, { clock });
  const drain = new HttpsDrain(
    { ...httpsOptions, ...parts.options },
    { dialer: parts.dialer ?? dialer, clock },
    { ...drainTarget(url, policy), token: 'd.token' },
  );
  return Object.assign(drain, { [Symbol.asyncDispose]: () => drain.close() });
}

export function batch(text = '29 <1>1 T host app web.1 - hi there\n', messages = 1): Batch {
  return {
    id: createHash('md5').update(text).digest('hex'),
    to: { logId: '0123456789abcdef', partition: 0, offset: 1, line: 0 },
    messages,
    body: Buffer.from(text),
  };
}

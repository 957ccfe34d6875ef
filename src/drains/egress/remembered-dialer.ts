import type { CertificateFacts } from './certificate-facts.ts';
import type { DialWatch } from './dial-watch.ts';
import type { DialResult, DialTarget, EgressDialer } from './egress-dialer.ts';

/** What drains dial with. */
export type Dialer = Pick<EgressDialer, 'connect'>;

/** The dialer of one drain: knows the certificate of its last TLS connection. */
export class RememberedDialer implements Dialer {
  readonly #dialer: Dialer;
  #certificate: CertificateFacts | undefined;

  constructor(parts: { dialer: Dialer }) {
    this.#dialer = parts.dialer;
  }

  get certificate(): CertificateFacts | undefined {
    return this.#certificate;
  }

  connect(target: DialTarget, signal: AbortSignal, watch?: DialWatch): Promise<DialResult> {
    return this.#dialer.connect(target, signal, {
      done: (step) => watch?.done(step),
      certificate: (facts) => {
        this.#certificate = facts;
        watch?.certificate(facts);
      },
    });
  }
}

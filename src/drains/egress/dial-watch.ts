import type { CertificateFacts } from './certificate-facts.ts';

/** How far an attempt to connect has come: the name has addresses that are allowed, TCP, TLS. */
export type DialStep = 'resolve' | 'connect' | 'tls';

/** Told while a connection is being opened, in order. */
export interface DialWatch {
  /** The step is done. */
  done(step: DialStep): void;
  /** The receiver's certificate, also when it is refused. */
  certificate(facts: CertificateFacts | undefined): void;
}

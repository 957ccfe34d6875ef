import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';

/** Whom one drain trusts, and as whom it shows itself; PEM. */
export interface TlsIdentity {
  /** Trusted instead of everybody else's roots. */
  readonly ca: string | undefined;
  readonly cert: string | undefined;
  readonly key: string | undefined;
}

/**
 * Whom drains trust: the roots that come with Node, those of the system, and the operator's own; or those that the
 * drain's owner named. One context serves all connections of the same kind; it is made at the first, because
 * reading the roots takes tens of milliseconds.
 */
export class TlsTrust {
  readonly #extraPem: string | undefined;
  readonly #own = new WeakMap<TlsIdentity, SecureContext>();
  #context: SecureContext | undefined;

  constructor(options: { readonly extraPem?: string }) {
    this.#extraPem = options.extraPem;
  }

  /** Throws when the identity is none: its certificate and key do not belong together, say. */
  context(identity?: TlsIdentity): SecureContext {
    const isOwn = identity && (identity.ca !== undefined || identity.cert !== undefined);
    if (!isOwn) return (this.#context ??= this.#create());
    const context = this.#own.get(identity) ?? this.#create(identity);
    this.#own.set(identity, context);
    return context;
  }

  #create(identity?: TlsIdentity): SecureContext {
    const { ca, cert, key } = identity ?? {};
    return createSecureContext({
      ca: ca === undefined ? [...this.#roots()] : ca,
      // What the owner named is trusted as it is, be it an intermediate or the receiver's own certificate.
      allowPartialTrustChain: ca !== undefined,
      ...(cert === undefined ? {} : { cert }),
      ...(key === undefined ? {} : { key }),
      minVersion: 'TLSv1.2',
    });
  }

  #roots(): Set<string> {
    const roots = new Set([...getCACertificates('default'), ...getCACertificates('system')]);
    if (this.#extraPem !== undefined) roots.add(this.#extraPem);
    return roots;
  }
}

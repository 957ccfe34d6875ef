import { createSecureContext, getCACertificates, type SecureContext } from 'node:tls';

/**
 * Whom drains trust: the roots that come with Node, those of the system, and the operator's own. One
 * context serves every connection; it is made at the first, because reading the roots takes tens of milliseconds.
 */
export class TlsTrust {
  readonly #extraPem: string | undefined;
  #context: SecureContext | undefined;

  constructor(options: { readonly extraPem?: string }) {
    this.#extraPem = options.extraPem;
  }

  context(): SecureContext {
    this.#context ??= createSecureContext({
      ca: [...this.#roots()],
      minVersion: 'TLSv1.2',
    });
    return this.#context;
  }

  #roots(): Set<string> {
    const roots = new Set([...getCACertificates('default'), ...getCACertificates('system')]);
    if (this.#extraPem !== undefined) roots.add(this.#extraPem);
    return roots;
  }
}

import type { DrainSpec } from '../registry/registry.ts';
import { parseDrainUrl, type DrainUrlPolicy } from './url/drain-url.ts';

export type DrainVerdict =
  | { readonly ok: true; readonly spec: DrainSpec }
  | { readonly ok: false; readonly problems: readonly string[] };

/** Judges drain URLs when they are added; looks at the text alone, never at the network. */
export class DrainGate {
  readonly #policy: DrainUrlPolicy;

  constructor(policy: DrainUrlPolicy) {
    this.#policy = policy;
  }

  /** Problems are phrases about the URL (`host is not public`) and quote nothing secret of it. */
  check(url: string): DrainVerdict {
    const parsed = parseDrainUrl(url, this.#policy);
    if (!parsed.ok) return parsed;
    const { target, options } = parsed;
    return { ok: true, spec: { url: target.canonical, masked: target.masked, options } };
  }
}
